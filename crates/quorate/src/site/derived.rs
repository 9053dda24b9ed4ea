//! Derived files: key set, discovery (RFC 8414, OpenID Connect Discovery) and log policy, written from what the log itself yields, checked
//! against genesis and nothing else; the gateway is not believed.

use crate::{
    layout::{Layout, TenantFile},
    public,
};
use anyhow::{Context, Result};
use quorate_protocol::{Committee, batch, message::Follow, tip::Tip};
use quorate_rules::{
    cbor::{Array, Canonical},
    claim::Claim,
    jwk::PublicJwk,
    leaf::Class,
};
use quorate_store::file;
use quorate_tlog::{hash::Hash, note::VerifierKey, policy::Draft, proof::verify_consistency};
use serde_json::json;

/// Path of the discovery document.
pub const DISCOVERY: &str = ".well-known/openid-configuration";

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

/// The derived files: path below the site's root, and contents.
pub fn files(tenant: &TenantFile, keys: &VerifiedKeys) -> Result<Vec<(&'static str, String)>> {
    let discovery = serde_json::to_string_pretty(&discovery(tenant, keys))? + "\n";
    let log_path = keys.log.name().split_once('/').map_or("log/1", |(_, path)| path);
    let log_url = format!("{}/{log_path}", tenant.gateway);
    let mut policy = Draft::new();
    policy.log(keys.log.clone(), Some(&log_url))?.quorum("none")?;
    Ok(vec![
        (DISCOVERY, discovery.clone()),
        (".well-known/oauth-authorization-server", discovery),
        ("jwks.json", format!("{{\"keys\":[{}]}}\n", keys.token.to_json())),
        (".well-known/quorate/tlog-policy", policy.finish()?.to_string()),
    ])
}

fn discovery(tenant: &TenantFile, keys: &VerifiedKeys) -> serde_json::Value {
    let (issuer, gateway, alg) = (&tenant.issuer, &tenant.gateway, keys.token.alg());
    let claims = [
        "sub",
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "sid",
        "tlx",
    ];
    let claims: Vec<&str> = claims.into_iter().chain(Claim::ALL.map(Claim::name)).collect();
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{gateway}/token"),
        "userinfo_endpoint": format!("{gateway}/userinfo"),
        "jwks_uri": format!("{issuer}/jwks.json"),
        "end_session_endpoint": format!("{issuer}/logout"),
        "scopes_supported": ["openid", "profile", "email", "groups"],
        "claims_supported": claims,
        "claims_parameter_supported": true,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "acr_values_supported": [Class::Passkey.acr(), Class::Session.acr()],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [alg],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "EdDSA"],
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "ui_locales_supported": ["en", "de"],
    })
}
