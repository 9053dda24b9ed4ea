//! `quorate verify`: everything a verifier can check from what is public.

use crate::{cli::Common, clock, log::PublicLog, public};
use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use clap::Args;
use quorate_rules::{
    json::StrictObject,
    jwk::PublicJwk,
    leaf::{EntryType, token_hash},
};
use serde_json::json;
use std::process::ExitCode;

/// Arguments.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    common: Common,
    /// The token, or `-` for standard input.
    token: String,
    /// Issuer to trust; that of the data directory where left out.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Audience to expect; the issuer where left out.
    #[arg(long)]
    audience: Option<String>,
}

/// A check and what it found.
struct Check {
    name: &'static str,
    outcome: Result<String, String>,
}

/// A token, taken apart.
struct Parts<'a> {
    signing_input: &'a str,
    header: StrictObject,
    claims: StrictObject,
    signature: Vec<u8>,
}

/// Runs the command.
pub async fn run(args: VerifyArgs) -> Result<ExitCode> {
    let issuer = match &args.issuer {
        Some(issuer) => issuer.clone(),
        None => args.common.layout().tenant()?.issuer,
    };
    let token = if args.token == "-" {
        std::io::read_to_string(std::io::stdin())?
    } else {
        args.token.clone()
    };
    let audience = args.audience.clone().unwrap_or_else(|| issuer.clone());
    let checks = check(token.trim(), &issuer, &audience).await;
    let failed = checks
        .iter()
        .find(|check| check.outcome.is_err())
        .map(|check| check.name);
    if args.common.json {
        let list: Vec<_> = checks
            .iter()
            .map(|check| {
                let (ok, text) = match &check.outcome {
                    Ok(text) => (true, text),
                    Err(text) => (false, text),
                };
                json!({ "check": check.name, "ok": ok, "detail": text })
            })
            .collect();
        println!(
            "{}",
            json!({ "valid": failed.is_none(), "failed": failed, "checks": list })
        );
    } else {
        for check in &checks {
            match &check.outcome {
                Ok(text) => println!("ok      {:<12} {text}", check.name),
                Err(text) => println!("FAILED  {:<12} {text}", check.name),
            }
        }
    }
    match failed {
        None => Ok(ExitCode::SUCCESS),
        Some(name) => {
            eprintln!("quorate: not valid: {name}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// All checks up to the first that fails.
async fn check(token: &str, issuer: &str, audience: &str) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut run = |name, outcome: Result<String, String>| {
        let good = outcome.is_ok();
        checks.push(Check { name, outcome });
        good
    };
    let parts = match take_apart(token) {
        Some(parts) => parts,
        None => {
            run("format", Err("not a compact JWS of three parts".to_owned()));
            return checks;
        }
    };
    if !run("format", Ok("compact JWS".to_owned())) {
        return checks;
    }
    let _ = run("type", check_type(&parts))
        && run("issuer", equal("iss", parts.claims.text("iss"), issuer))
        && run("audience", equal("aud", parts.claims.text("aud"), audience))
        && run("times", check_times(&parts, clock::now_ms() / 1000))
        && run(
            "signature",
            check_signature(&parts, issuer)
                .await
                .map_err(|error| format!("{error:#}")),
        )
        && run(
            "log",
            check_log(&parts, issuer).await.map_err(|error| format!("{error:#}")),
        );
    checks
}

fn take_apart(token: &str) -> Option<Parts<'_>> {
    let (signing_input, signature) = token.rsplit_once('.')?;
    let (header, claims) = signing_input.split_once('.')?;
    let object = |part: &str| StrictObject::parse(&B64.decode(part).ok()?);
    let signature = B64.decode(signature).ok()?;
    Some(Parts {
        signing_input,
        header: object(header)?,
        claims: object(claims)?,
        signature,
    })
}

fn check_type(parts: &Parts<'_>) -> Result<String, String> {
    equal("typ", parts.header.text("typ"), "at+jwt")
}

fn equal(name: &str, found: Option<&str>, expected: &str) -> Result<String, String> {
    match found {
        Some(found) if found == expected => Ok(format!("{name} is {expected}")),
        Some(found) => Err(format!("{name} is {found:?}, not {expected:?}")),
        None => Err(format!("{name} is missing or not a string")),
    }
}

fn check_times(parts: &Parts<'_>, now_s: u64) -> Result<String, String> {
    let (Some(issued), Some(expires)) = (parts.claims.integer("iat"), parts.claims.integer("exp")) else {
        return Err("iat or exp is missing".to_owned());
    };
    if issued > now_s + 30 {
        return Err(format!("issued {} s in the future", issued - now_s));
    }
    if expires <= now_s {
        return Err(format!("expired {} s ago", now_s - expires));
    }
    Ok(format!("valid for another {} s", expires - now_s))
}

async fn check_signature(parts: &Parts<'_>, issuer: &str) -> Result<String> {
    let http = public::http()?;
    let discovery = public::json(&http, &format!("{issuer}/.well-known/openid-configuration")).await?;
    anyhow::ensure!(
        discovery["issuer"] == issuer,
        "the discovery document names another issuer"
    );
    let jwks_uri = discovery["jwks_uri"]
        .as_str()
        .context("no jwks_uri in the discovery document")?;
    let jwks = public::json(&http, jwks_uri).await?;
    let kid = parts.header.text("kid").context("the header names no kid")?;
    let keys = jwks["keys"].as_array().context("the key set has no keys")?;
    let key = keys
        .iter()
        .find(|key| key["kid"] == kid)
        .with_context(|| format!("no key {kid} in the key set"))?;
    let key = PublicJwk::parse(&serde_json::to_vec(key)?)?;
    anyhow::ensure!(
        parts.header.text("alg") == Some(key.alg()),
        "alg is not that of the key"
    );
    anyhow::ensure!(
        key.verify(parts.signing_input.as_bytes(), &parts.signature),
        "the signature does not verify"
    );
    Ok(format!("{} by key {kid}", key.alg()))
}

async fn check_log(parts: &Parts<'_>, issuer: &str) -> Result<String> {
    let tlx = parts
        .claims
        .text("tlx")
        .context("the token names no place in the log (tlx)")?;
    let (log, index) = tlx.split_once('/').context("tlx is not <log>/<index>")?;
    let index: u64 = index.parse().context("tlx is not <log>/<index>")?;
    let public = PublicLog::open(issuer).await?;
    anyhow::ensure!(
        public.origin().ends_with(&format!("/log/{log}")),
        "tlx names another log than the policy"
    );
    let proven = public.leaf(index).await?;
    anyhow::ensure!(proven.leaf.entry_type == EntryType::Token, "the leaf is no token");
    let expected = token_hash(parts.signing_input.as_bytes());
    anyhow::ensure!(
        proven.leaf.token_hash == expected,
        "the leaf at {tlx} is of another token"
    );
    Ok(format!(
        "leaf {index} of {} in the checkpoint of size {}",
        public.origin(),
        proven.size
    ))
}
