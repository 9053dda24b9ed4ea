//! `vectors/token-alg.json`: keys entries of both algorithms and tokens under their keys, good and refused; the pages judge the tokens alike.
//!
//! `QUORATE_WRITE_VECTORS=1 cargo test -p quorate-rules` writes it anew; signatures of ES256 differ each time.

use crate::{
    tenant::{founded_by, genesis_of, keys, keys_of, sign_p256, token_key},
    token_algs::{asn1, other, sign, token_of_alg},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use quorate_rules::{
    Refusal, TokenAlg,
    body::KeysBody,
    cbor::{Bytes, Canonical},
    jwk::PublicJwk,
    jws::UnverifiedJws,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: Vec<String>,
    keys: Vec<KeysRow>,
    tokens: Vec<TokenRow>,
}

/// A keys entry behind a genesis of this algorithm: the published key, or the refusal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysRow {
    name: String,
    alg: TokenAlg,
    /// Canonical CBOR, hexadecimal.
    entry: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwk: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
}

/// A token under a published key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRow {
    name: String,
    jwk: Value,
    token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/token-alg.json")
}

fn published(alg: TokenAlg) -> Value {
    serde_json::from_str(&alg.token_key(&token_key(alg)).unwrap().to_json()).unwrap()
}

fn keys_rows() -> Vec<KeysRow> {
    let mut rows = Vec::new();
    for alg in TokenAlg::ALL {
        let row = |name: &str, body: &KeysBody, refusal: Option<Refusal>| KeysRow {
            name: format!("{alg}: {name}"),
            alg,
            entry: hex::encode(body.to_canonical()),
            jwk: refusal.is_none().then(|| published(alg)),
            refusal: refusal.map(|refusal| refusal.code().to_owned()),
        };
        let of = |bytes: Vec<u8>| KeysBody {
            token_key: Bytes(bytes),
            ..keys()
        };
        let malformed = Some(Refusal::Malformed);
        let mut cut = token_key(alg);
        cut.pop();
        rows.push(row("a sound key", &keys_of(alg), None));
        rows.push(row("a key of the other algorithm", &keys_of(other(alg)), malformed));
        rows.push(row("a byte too few", &of(cut), malformed));
        rows.push(row("zeros", &of(vec![0; token_key(alg).len()]), malformed));
        if alg == TokenAlg::Es256 {
            let mut off = token_key(alg);
            off[63] ^= 1;
            rows.push(row("a point off the curve", &of(off), malformed));
            let sec1 = [vec![4], token_key(alg)].concat();
            rows.push(row("a point in SEC 1", &of(sec1), malformed));
        }
    }
    rows
}

fn token_rows() -> Vec<TokenRow> {
    let mut rows = Vec::new();
    for alg in TokenAlg::ALL {
        let entry = token_of_alg(alg);
        let mut push = |name: &str, token: String, refusal: Option<Refusal>| {
            rows.push(TokenRow {
                name: format!("{alg}: {name}"),
                jwk: published(alg),
                token,
                refusal: refusal.map(|refusal| refusal.code().to_owned()),
            });
        };
        let signature = sign(alg, entry.signing_input.as_bytes());
        push("a good token", entry.compact(&signature), None);
        let mut altered = signature.clone();
        altered[8] ^= 1;
        push(
            "an altered signature",
            entry.compact(&altered),
            Some(Refusal::BadSignature),
        );
        push("no signature", entry.compact(&[]), Some(Refusal::BadSignature));
        if alg == TokenAlg::Es256 {
            push(
                "a signature in ASN.1",
                entry.compact(&asn1(&signature)),
                Some(Refusal::BadSignature),
            );
        }
        let (_, payload) = entry.signing_input.split_once('.').unwrap();
        let kid = published(alg)["kid"].as_str().unwrap().to_owned();
        for name in ["none", "HS256", "RS256", other(alg).name()] {
            let header = B64.encode(format!(r#"{{"alg":"{name}","kid":"{kid}","typ":"at+jwt"}}"#));
            let input = format!("{header}.{payload}");
            let token = format!("{input}.{}", B64.encode(sign(alg, input.as_bytes())));
            push(
                &format!("a header that says {name}"),
                token,
                Some(Refusal::WrongAlgorithm),
            );
        }
        push(
            "a token by another key",
            entry.compact(&by_another(alg, entry.signing_input.as_bytes())),
            Some(Refusal::BadSignature),
        );
    }
    rows
}

fn by_another(alg: TokenAlg, input: &[u8]) -> Vec<u8> {
    match alg {
        TokenAlg::EdDsa => crate::tenant::sign_ed25519(77)(input),
        // The same key over another message is as good as another key.
        TokenAlg::Es256 => sign_p256(&[input, b"."].concat()),
    }
}

fn check_keys(row: &KeysRow) {
    let keys = KeysBody::from_canonical(&hex::decode(&row.entry).unwrap()).unwrap();
    let outcome = founded_by(&genesis_of(row.alg), &keys).map(|registry| registry.token_key().unwrap().to_json());
    match (&row.jwk, &row.refusal) {
        (Some(jwk), None) => assert_eq!(
            serde_json::from_str::<Value>(&outcome.unwrap()).unwrap(),
            *jwk,
            "{}",
            row.name
        ),
        (None, Some(code)) => assert_eq!(outcome.unwrap_err().code(), code, "{}", row.name),
        _ => panic!("{} says both or neither", row.name),
    }
}

fn check_token(row: &TokenRow) {
    let key = PublicJwk::parse(row.jwk.to_string().as_bytes()).unwrap();
    let outcome = UnverifiedJws::parse(&row.token).and_then(|jws| jws.verify(&key));
    let refusal = outcome.err().map(|refusal| refusal.code().to_owned());
    assert_eq!(refusal, row.refusal, "{}", row.name);
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever changed something on purpose lets the vectors be written anew"
)]
fn is_writing() -> bool {
    std::env::var("QUORATE_WRITE_VECTORS").is_ok_and(|value| value == "1")
}

#[test]
fn every_keys_entry_and_every_token_is_judged_as_the_vectors_say() {
    if is_writing() {
        let file = File {
            about: vec![
                "Keys entries behind a genesis of the algorithm `alg`, and tokens of type at+jwt under the one key `jwk` of their issuer.".to_owned(),
                "`refusal` is what quorate-rules says; a row without it is good. The P-256 key is that of RFC 7515 appendix A.3.".to_owned(),
            ],
            keys: keys_rows(),
            tokens: token_rows(),
        };
        std::fs::write(path(), serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
    }
    let file: File = serde_json::from_slice(&std::fs::read(path()).unwrap()).unwrap();
    file.keys.iter().for_each(check_keys);
    file.tokens.iter().for_each(check_token);
    // No row went missing, and what stands there is what this release writes.
    let names = |rows: &[KeysRow]| {
        rows.iter()
            .map(|row| (row.name.clone(), row.entry.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&file.keys), names(&keys_rows()));
    assert_eq!(file.tokens.len(), token_rows().len());
}
