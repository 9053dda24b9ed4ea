//! The issuer site: static files. The derived ones — key set, discovery, log policy — are written from what the log itself yields,
//! checked against genesis and nothing else; the gateway is not believed.

use crate::{
    layout::{Layout, TenantFile},
    public, supervise,
};
use anyhow::{Context, Result};
use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use clap::{Args, Subcommand};
use quorate_protocol::{Committee, batch, message::Follow, tip::Tip};
use quorate_rules::{
    cbor::{Array, Canonical},
    jwk::PublicJwk,
};
use quorate_store::file;
use quorate_tlog::{hash::Hash, note::VerifierKey, policy::Draft, proof::verify_consistency};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// `quorate site`
#[derive(Debug, Subcommand)]
pub enum SiteCommand {
    /// Serve a directory as the issuer site, over plain http: for a demo, or behind a proxy that speaks https.
    Serve(ServeArgs),
    /// Write the site's derived files from the running tenant, after checking them against genesis.
    ///
    /// The gateway only hands over the certificate of the tenant's keys; a wrong one is refused here.
    Export(ExportArgs),
}

/// `quorate site serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Directory of the site, as `quorate site export` writes it.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Address to listen on, such as 127.0.0.1:8410.
    #[arg(long, value_name = "ADDRESS")]
    listen: String,
    /// End when standard input closes.
    #[arg(long, hide = true)]
    end_with_stdin: bool,
}

/// `quorate site export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    common: crate::cli::Common,
    /// Directory to write to; made if it is not there.
    #[arg(value_name = "TO")]
    dir: PathBuf,
}

/// Runs the command.
pub async fn run(command: SiteCommand) -> Result<ExitCode> {
    match command {
        SiteCommand::Serve(args) => serve(args).await?,
        SiteCommand::Export(args) => {
            let layout = args.common.layout();
            write(&layout, &layout.tenant()?, &args.dir).await?;
            if args.common.json {
                println!("{}", json!({ "written": args.dir }));
            } else {
                println!(
                    "wrote the issuer site to {}; any static host serves it over https",
                    args.dir.display()
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The tenant's public keys, verified from pinned genesis.
#[derive(Debug)]
pub struct VerifiedKeys {
    /// Token key as JWK.
    pub token: PublicJwk,
    /// Log key.
    pub log: VerifierKey,
}

/// Fetches the certificate of the keys and checks it: genesis is ours, the entries lead to a head that a quorum certified.
pub async fn fetch_keys(layout: &Layout, tenant: &TenantFile) -> Result<VerifiedKeys> {
    let genesis = file::read_bounded(&layout.genesis(), 1 << 20)?.context("genesis.cbor is missing")?;
    let committee =
        Committee::from_genesis(&genesis).map_err(|_| anyhow::anyhow!("genesis.cbor is not a genesis document"))?;
    let http = public::http()?;
    let url = format!("{}/log/{}/keys", tenant.gateway, committee.log());
    let bytes = public::need(&http, &url).await?;
    verify_keys(&committee, &bytes)
}

/// Checks the certificate of the keys against genesis.
pub fn verify_keys(committee: &Committee, bytes: &[u8]) -> Result<VerifiedKeys> {
    let bad =
        |what: &str| anyhow::anyhow!("the certificate of the keys does not hold: {what}; do not publish these keys");
    let proof = Follow::from_canonical(bytes).map_err(|_| bad("it cannot be read"))?;
    let tip = batch::follow(&Tip::empty(), committee, &proof.entries).map_err(|_| bad("the entries do not fold"))?;
    let founded = proof.entries.first().and_then(|entry| entry.opening.as_ref());
    if founded.is_none_or(|opening| opening.body.as_ref() != committee.genesis()) {
        return Err(bad("another genesis"));
    }
    let quorum = proof
        .certificate
        .verify(committee)
        .map_err(|_| bad("too few custodians vouch"))?;
    let hashes: Vec<Hash> = proof.consistency.iter().map(|hash| Hash::from(hash.0)).collect();
    let (own, certified) = (tip.head(), quorum.head());
    verify_consistency(own.size, own.root, certified.size, certified.root, &hashes)
        .map_err(|_| bad("the entries are not in the certified log"))?;
    let keys = tip.registry().keys().ok_or_else(|| bad("no keys entry"))?;
    let Array(log) = keys.log_key;
    let log = VerifierKey::ed25519(committee.origin(), &log).map_err(|_| bad("log key"))?;
    Ok(VerifiedKeys {
        token: PublicJwk::Ed25519(keys.token_key),
        log,
    })
}

/// Writes the derived files and the landing page.
pub async fn write(layout: &Layout, tenant: &TenantFile, dir: &Path) -> Result<()> {
    let keys = fetch_keys(layout, tenant).await?;
    let issuer = &tenant.issuer;
    let gateway = &tenant.gateway;
    let alg = keys.token.alg();
    let discovery = json!({
        "issuer": issuer,
        "token_endpoint": format!("{gateway}/token"),
        "jwks_uri": format!("{issuer}/jwks.json"),
        "authorization_endpoint": format!("{issuer}/authorize"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [alg],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "EdDSA"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    });
    let discovery = serde_json::to_string_pretty(&discovery)? + "\n";
    let jwks = format!("{{\"keys\":[{}]}}\n", keys.token.to_json());
    let log_url = format!(
        "{gateway}/{}",
        keys.log.name().split_once('/').map_or("log/1", |(_, path)| path)
    );
    let mut policy = Draft::new();
    policy.log(keys.log.clone(), Some(&log_url))?.quorum("none")?;
    let policy = policy.finish()?.to_string();
    for (name, text) in [
        (".well-known/openid-configuration", discovery.as_str()),
        (".well-known/oauth-authorization-server", &discovery),
        ("jwks.json", &jwks),
        (".well-known/quorate/tlog-policy", &policy),
        ("index.html", &landing(tenant, &keys)),
    ] {
        let place = dir.join(name);
        std::fs::create_dir_all(place.parent().unwrap_or(dir))?;
        file::write_whole(&place, text.as_bytes(), file::Durability::Now)?;
    }
    Ok(())
}

fn landing(tenant: &TenantFile, keys: &VerifiedKeys) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{issuer}</title>\n<h1>{issuer}</h1>\n\
         <p>This issuer has no master key. {t} of {n} custodians check the proof behind every token, record it in a public log and only\n\
         then sign together.</p>\n<ul>\n\
         <li><a href=\"/.well-known/openid-configuration\">Discovery</a></li>\n\
         <li><a href=\"/jwks.json\">Key set</a> (key <code>{kid}</code>)</li>\n\
         <li><a href=\"/.well-known/quorate/tlog-policy\">Log policy</a> and <a href=\"{gateway}/log/1/checkpoint\">checkpoint</a></li>\n\
         <li><a href=\"{gateway}/status\">Where the custodians stand</a></li>\n</ul>\n{demo}</html>\n",
        issuer = tenant.issuer,
        gateway = tenant.gateway,
        t = tenant.threshold,
        n = tenant.custodians,
        kid = keys.token.thumbprint(),
        demo = if tenant.demo {
            "<p>A demonstration: all custodians run on one machine, so they are not independent.</p>\n"
        } else {
            ""
        },
    )
}

async fn serve(args: ServeArgs) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(crate::cli::address(&args.listen)?)
        .await
        .with_context(|| format!("cannot listen on {}; is another process there?", args.listen))?;
    let mut stop = supervise::stop_signal(args.end_with_stdin);
    let router = Router::new().fallback(page).with_state(Arc::new(args.dir));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { while !*stop.borrow_and_update() && stop.changed().await.is_ok() {} })
        .await?;
    Ok(())
}

async fn page(State(dir): State<Arc<PathBuf>>, method: axum::http::Method, uri: Uri) -> Response {
    if method != axum::http::Method::GET && method != axum::http::Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    let sound = path
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\\'));
    if !sound || path.len() > 200 {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Ok(Some(bytes)) = file::read_bounded(&dir.join(path), 1 << 20) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match path {
        "jwks.json" | ".well-known/openid-configuration" | ".well-known/oauth-authorization-server" => {
            "application/json"
        }
        path if path.ends_with(".html") => "text/html; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
        ),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, bytes).into_response()
}
