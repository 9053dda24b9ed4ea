//! Stock relying parties and verifiers against a whole system, from discovery alone (OpenID Connect Discovery 1.0 section 4).

use crate::system::System;
use jsonwebtoken::crypto::aws_lc;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation};
use openidconnect::core::{
    CoreClientAuthMethod, CoreGrantType, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreResponseType,
};
use openidconnect::reqwest as stock_http;
use openidconnect::{IssuerUrl, JsonWebKey as _};
use quorate_rules::TokenAlg;
use serde::Deserialize;
use std::path::Path;
use std::process::{Command, Stdio};

/// The claims that a resource server reads (RFC 9068 section 2.2).
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    client_id: String,
    scope: String,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn client() -> stock_http::Client {
    stock_http::Client::builder()
        .redirect(stock_http::redirect::Policy::none())
        .build()
        .expect("an HTTP client")
}

fn discover(issuer: &str) -> CoreProviderMetadata {
    let issuer = IssuerUrl::new(issuer.to_owned()).expect("a URL");
    runtime()
        .block_on(CoreProviderMetadata::discover_async(issuer, &client()))
        .expect("provider metadata")
}

fn token(system: &System) -> String {
    let output = system.quorate(&["token", "--client", "demo-service"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

/// The token with one bit of its signature's tenth byte turned.
pub fn with_other_signature(token: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let mut signature = B64.decode(signature).expect("base64url");
    signature[9] ^= 1;
    format!("{signed}.{}", B64.encode(signature))
}

#[test]
fn openidconnect_discovers_the_issuer_and_its_keys() {
    for alg in TokenAlg::ALL {
        check_openidconnect(alg);
    }
}

fn check_openidconnect(alg: TokenAlg) {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    let system = System::of(alg);
    let signs = match alg {
        TokenAlg::EdDsa => CoreJwsSigningAlgorithm::EdDsa,
        TokenAlg::Es256 => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    };
    let provider = discover(&system.issuer);
    assert_eq!(provider.issuer().as_str(), system.issuer);
    let token_endpoint = provider.token_endpoint().expect("a token endpoint");
    assert!(
        token_endpoint.as_str().starts_with(&system.gateway),
        "{token_endpoint:?}"
    );
    assert!(
        provider
            .grant_types_supported()
            .expect("grants")
            .contains(&CoreGrantType::ClientCredentials)
    );
    assert!(
        provider
            .token_endpoint_auth_methods_supported()
            .expect("methods")
            .contains(&CoreClientAuthMethod::PrivateKeyJwt)
    );
    assert_eq!(
        provider.id_token_signing_alg_values_supported().as_slice(),
        std::slice::from_ref(&signs)
    );
    let code = provider
        .response_types_supported()
        .iter()
        .any(|types| types.as_slice() == [CoreResponseType::Code]);
    assert!(code, "{:?}", provider.response_types_supported());

    // Discovery has loaded the key set; the crate drops keys that it cannot use, so count what is left.
    let keys = provider.jwks().keys();
    assert_eq!(keys.len(), 1);
    let token = token(&system);
    let verify = |token: &str| {
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let signature = B64.decode(signature).expect("base64url");
        keys[0].verify_signature(&signs, signed.as_bytes(), &signature)
    };
    verify(&token).expect("the issuer's signature");
    verify(&with_other_signature(&token)).expect_err("another signature");
}

#[test]
fn openidconnect_refuses_metadata_under_another_name() {
    let system = System::start();
    let alias = system.issuer.replace("localhost", "127.0.0.1");
    assert_ne!(alias, system.issuer);
    let alias = IssuerUrl::new(alias).expect("a URL");
    let told = runtime()
        .block_on(CoreProviderMetadata::discover_async(alias, &client()))
        .expect_err("not the issuer's name");
    assert!(matches!(told, openidconnect::DiscoveryError::Validation(_)), "{told:?}");
}

#[test]
fn jsonwebtoken_verifies_a_token() {
    for alg in TokenAlg::ALL {
        check_jsonwebtoken(alg);
    }
}

fn check_jsonwebtoken(alg: TokenAlg) {
    // Other tests of this process may have installed it first; any provider of this process is this one.
    let _ = aws_lc::DEFAULT_PROVIDER.install_default();
    let system = System::of(alg);
    let signs: Algorithm = alg.name().parse().expect("an algorithm of the library");
    let provider = discover(&system.issuer);
    let keys = runtime().block_on(async {
        let answer = client()
            .get(provider.jwks_uri().url().clone())
            .send()
            .await
            .expect("an answer");
        answer
            .error_for_status()
            .expect("success")
            .bytes()
            .await
            .expect("a body")
    });
    let keys: JwkSet = serde_json::from_slice(&keys).expect("a JWK set");
    let token = token(&system);
    let header = jsonwebtoken::decode_header(&token).expect("a header");
    assert_eq!((header.typ.as_deref(), header.alg), (Some("at+jwt"), signs));
    let key = keys
        .find(&header.kid.expect("a key id"))
        .expect("the key that the header names");
    let key = DecodingKey::from_jwk(key).expect("a usable key");
    let decode = |token: &str, audience: &str, issuer: &str| -> jsonwebtoken::errors::Result<TokenData<Claims>> {
        let mut validation = Validation::new(signs);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
        jsonwebtoken::decode(token, &key, &validation)
    };

    let claims = decode(&token, &system.issuer, &system.issuer)
        .expect("a valid token")
        .claims;
    assert_eq!(claims.iss, system.issuer);
    assert_eq!(
        (claims.sub.as_str(), claims.client_id.as_str()),
        ("demo-service", "demo-service")
    );
    assert!(!claims.scope.is_empty());

    let refused = |token: &str, audience: &str, issuer: &str| match decode(token, audience, issuer) {
        Ok(_) => panic!("accepted for audience {audience}, issuer {issuer}"),
        Err(told) => told.into_kind(),
    };
    let (issuer, other) = (system.issuer.as_str(), "https://other.example");
    assert!(matches!(
        refused(&with_other_signature(&token), issuer, issuer),
        ErrorKind::InvalidSignature
    ));
    assert!(matches!(refused(&token, other, issuer), ErrorKind::InvalidAudience));
    assert!(matches!(refused(&token, issuer, other), ErrorKind::InvalidIssuer));
}

#[test]
fn stock_clients_of_other_languages() {
    for alg in TokenAlg::ALL {
        check_other_languages(alg);
    }
}

fn check_other_languages(alg: TokenAlg) {
    let system = System::of(alg);
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients/run");
    let key = system.layout_dir().join("clients/demo-service.jwk");
    let output = Command::new(run)
        .arg(&system.issuer)
        .arg(key)
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let (told, complaints) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{told}{complaints}");
    // Each language either ran to its last check or says why it was left out; silence is a failure.
    for (language, last) in [
        ("node", "ok replayed-assertion-refused"),
        ("python", "ok wrong-audience-refused"),
    ] {
        let left_out = told
            .lines()
            .find(|line| line.starts_with(&format!("left out {language}:")));
        match left_out {
            Some(line) => println!("{line}"),
            None => assert!(told.lines().any(|line| line == last), "{language}: {told}{complaints}"),
        }
    }
}
