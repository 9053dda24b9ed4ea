//! Derived files: key set, discovery (RFC 8414, OpenID Connect Discovery) and log policy, written from what the log itself yields, checked
//! against genesis and nothing else; the gateway is not believed.

use crate::{
    layout::{Layout, TenantFile},
    public,
};
use anyhow::Result;
use quorate_protocol::{Committee, batch, message::Follow, tip::Tip};
use quorate_rules::{
    cbor::{Array, Canonical},
    claim::Claim,
    jwk::PublicJwk,
    leaf::Class,
};
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
    let committee = layout.committee()?;
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
    let token = tip.registry().token_key().ok_or_else(|| bad("no token key"))?.clone();
    Ok(VerifiedKeys { token, log })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_key::ClientKey;
    use openidconnect::{
        ClientId, Nonce,
        core::{CoreClient, CoreIdToken, CoreProviderMetadata},
    };
    use quorate_rules::TokenAlg;
    use serde_json::Value;

    fn tenant(alg: TokenAlg) -> TenantFile {
        TenantFile {
            issuer: "https://id.example.org".to_owned(),
            gateway: "https://gw.example.org".to_owned(),
            port: 8410,
            custodians: 4,
            threshold: 3,
            faulty: 1,
            token_alg: alg,
            demo: true,
        }
    }

    fn keys(token: &ClientKey) -> VerifiedKeys {
        let log = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key();
        VerifiedKeys {
            token: token.public().clone(),
            log: VerifierKey::ed25519("id.example.org/log/1", log.as_bytes()).unwrap(),
        }
    }

    fn check(alg: TokenAlg, key_members: &[(&str, &str)]) {
        let keys = keys(&ClientKey::generate(alg.name()).unwrap());
        let files = files(&tenant(alg), &keys).unwrap();
        let read = |path: &str| -> Value {
            let (_, text) = files.iter().find(|(name, _)| *name == path).unwrap();
            serde_json::from_str(text).unwrap()
        };
        let discovery = read(DISCOVERY);
        assert_eq!(discovery["id_token_signing_alg_values_supported"], json!([alg.name()]));
        assert_eq!(discovery, read(".well-known/oauth-authorization-server"));
        let set = read("jwks.json");
        let [key] = set["keys"].as_array().unwrap().as_slice() else {
            panic!("one key: {set}");
        };
        for (name, value) in key_members {
            assert_eq!(key[name], *value, "{key}");
        }
        assert_eq!(key["kid"], keys.token.thumbprint());
        assert_eq!(PublicJwk::parse(key.to_string().as_bytes()), Ok(keys.token));
    }

    #[test]
    fn key_set_and_discovery_name_the_one_algorithm() {
        let ed = [("kty", "OKP"), ("crv", "Ed25519"), ("alg", "EdDSA"), ("use", "sig")];
        let p256 = [("kty", "EC"), ("crv", "P-256"), ("alg", "ES256"), ("use", "sig")];
        check(TokenAlg::EdDsa, &ed);
        check(TokenAlg::Es256, &p256);
    }

    /// What a stock relying party that knows only what is published makes of an ID token.
    fn stock(published: TokenAlg, signed: TokenAlg) -> Result<(), String> {
        let (own, token) = (
            ClientKey::generate(published.name()).unwrap(),
            ClientKey::generate(signed.name()).unwrap(),
        );
        let own = if published == signed { &token } else { &own };
        let files = files(&tenant(published), &keys(own)).unwrap();
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).unwrap().1.clone();
        let metadata: CoreProviderMetadata = serde_json::from_str(&text(DISCOVERY)).unwrap();
        let metadata = metadata.set_jwks(serde_json::from_str(&text("jwks.json")).unwrap());
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new("web".to_owned()), None);
        let now_s = crate::clock::now_ms() / 1000;
        let claims = json!({
            "iss": "https://id.example.org", "aud": "web", "sub": "u", "nonce": "n", "iat": now_s, "exp": now_s + 60,
        });
        let token: CoreIdToken = token.sign(&claims).unwrap().parse().unwrap();
        let claims = token.claims(&client.id_token_verifier(), &Nonce::new("n".to_owned()));
        claims.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn a_stock_relying_party_takes_id_tokens_of_the_published_algorithm_and_no_others() {
        for published in TokenAlg::ALL {
            for signed in TokenAlg::ALL {
                let outcome = stock(published, signed);
                assert_eq!(
                    outcome.is_ok(),
                    published == signed,
                    "{published} {signed}: {outcome:?}"
                );
            }
        }
    }
}
