//! `quorate token`: what any stock client does, with a key from the data directory.

use crate::{cli::Common, client_key::ClientKey, clock, public};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::process::ExitCode;

/// Arguments.
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(flatten)]
    common: Common,
    /// Client whose key signs, from <DIR>/clients/<ID>.jwk.
    #[arg(long, value_name = "ID")]
    client: String,
    /// Scope to ask for; it must be the registered one, since nobody but the client itself may narrow it. Left out, it is that one, too.
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
}

/// Runs the command.
pub async fn run(args: TokenArgs) -> Result<ExitCode> {
    let layout = args.common.layout();
    let tenant = layout.tenant()?;
    let key = ClientKey::read(&layout.client_key(&args.client))?;
    let http = public::http()?;
    let discovery = public::json(&http, &format!("{}/.well-known/openid-configuration", tenant.issuer)).await?;
    if discovery["issuer"] != tenant.issuer.as_str() {
        bail!("the discovery document names another issuer: {}", discovery["issuer"]);
    }
    let endpoint = discovery["token_endpoint"]
        .as_str()
        .context("the discovery document names no token endpoint")?;
    let assertion = key.assertion(&args.client, &tenant.issuer, clock::now_ms())?;
    let mut form = vec![
        ("grant_type", "client_credentials"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion.as_str()),
    ];
    if let Some(scope) = &args.scope {
        form.push(("scope", scope));
    }
    let response = http
        .post(endpoint)
        .form(&form)
        .send()
        .await
        .with_context(|| format!("{endpoint} does not answer"))?;
    let status = response.status();
    let body: serde_json::Value = response
        .json()
        .await
        .context("the token endpoint did not answer with JSON")?;
    if !status.is_success() {
        if args.common.json {
            println!("{body}");
        }
        bail!(
            "{}: {}",
            body["error"].as_str().unwrap_or("error"),
            body["error_description"].as_str().unwrap_or("")
        );
    }
    if args.common.json {
        println!("{body}");
    } else {
        println!(
            "{}",
            body["access_token"].as_str().context("the answer holds no token")?
        );
    }
    Ok(ExitCode::SUCCESS)
}
