//! `quorate verify`: everything a verifier can check from what is public.

use crate::{cli::Common, clock, log::PublicLog, public};
use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use clap::Args;
use quorate_rules::{
    TokenAlg,
    json::StrictObject,
    jwk::PublicJwk,
    leaf::{EntryType, token_hash},
};
use serde_json::{Value, json};
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
    let said = run("type", check_type(&parts))
        && run("issuer", equal("iss", parts.claims.text("iss"), issuer))
        && run("audience", equal("aud", parts.claims.text("aud"), audience))
        && run("times", check_times(&parts, clock::now_ms() / 1000));
    if !said {
        return checks;
    }
    let published = match Published::fetch(issuer).await {
        Ok(published) => published,
        Err(error) => {
            run("algorithm", Err(format!("{error:#}")));
            return checks;
        }
    };
    let _ = run("algorithm", told(published.check_algorithm(&parts)))
        && run("signature", told(published.check_signature(&parts)))
        && run("log", told(check_log(&parts, issuer).await));
    checks
}

fn told(outcome: Result<String>) -> Result<String, String> {
    outcome.map_err(|error| format!("{error:#}"))
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

/// What the issuer says about its tokens. It alone says how a token is signed: a verifier that asks the token itself takes an HMAC under the
/// public key, or no signature at all, for the issuer's word (RFC 8725 §2.1, §3.1).
struct Published {
    alg: TokenAlg,
    keys: Vec<Value>,
}

impl Published {
    async fn fetch(issuer: &str) -> Result<Self> {
        let http = public::http()?;
        let discovery = public::json(&http, &format!("{issuer}/.well-known/openid-configuration")).await?;
        anyhow::ensure!(
            discovery["issuer"] == issuer,
            "the discovery document names another issuer"
        );
        let jwks_uri = discovery["jwks_uri"]
            .as_str()
            .context("no jwks_uri in the discovery document")?;
        Self::read(&discovery, &public::json(&http, jwks_uri).await?)
    }

    fn read(discovery: &Value, jwks: &Value) -> Result<Self> {
        let algs = discovery["id_token_signing_alg_values_supported"].as_array();
        let alg = match algs.map(Vec::as_slice) {
            Some([Value::String(alg)]) => alg.parse().with_context(|| format!("the issuer signs with {alg:?}"))?,
            _ => anyhow::bail!("the discovery document does not name one algorithm of tokens"),
        };
        let keys = jwks["keys"].as_array().context("the key set has no keys")?.clone();
        Ok(Self { alg, keys })
    }

    fn check_algorithm(&self, parts: &Parts<'_>) -> Result<String> {
        let said = parts.header.text("alg").context("the header names no algorithm")?;
        anyhow::ensure!(
            said == self.alg.name(),
            "the header says {said:?}, and the issuer signs with {}",
            self.alg
        );
        Ok(format!("{}, which the issuer signs with", self.alg))
    }

    fn check_signature(&self, parts: &Parts<'_>) -> Result<String> {
        let kid = parts.header.text("kid").context("the header names no kid")?;
        let mut named = self.keys.iter().filter(|key| key["kid"] == kid);
        let key = named.next().with_context(|| format!("no key {kid} in the key set"))?;
        anyhow::ensure!(named.next().is_none(), "two keys {kid} in the key set");
        let key = PublicJwk::parse(&serde_json::to_vec(key)?)?;
        anyhow::ensure!(
            key.alg() == self.alg.name(),
            "the key set and the discovery document name different algorithms"
        );
        anyhow::ensure!(
            key.verify(parts.signing_input.as_bytes(), &parts.signature),
            "the signature does not verify"
        );
        Ok(format!("{} by key {kid}", key.alg()))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_key::ClientKey;
    use jsonwebtoken::{Algorithm, EncodingKey, Header};

    const BOTH: [TokenAlg; 2] = TokenAlg::ALL;

    /// An issuer of this algorithm.
    fn issuer(alg: TokenAlg) -> (ClientKey, Value, Value) {
        let key = ClientKey::generate(alg.name()).unwrap();
        let public: Value = serde_json::from_str(&key.public().to_json()).unwrap();
        let discovery = json!({ "id_token_signing_alg_values_supported": [alg] });
        (key, discovery, json!({ "keys": [public] }))
    }

    /// The name of the check that refuses the token, if one does.
    fn failed(token: &str, discovery: &Value, jwks: &Value) -> Option<&'static str> {
        let parts = take_apart(token).expect("three parts");
        let Ok(published) = Published::read(discovery, jwks) else {
            return Some("algorithm");
        };
        if published.check_algorithm(&parts).is_err() {
            return Some("algorithm");
        }
        published.check_signature(&parts).is_err().then_some("signature")
    }

    fn check(token: &str, (_, discovery, jwks): &(ClientKey, Value, Value), expected: Option<&str>) {
        assert_eq!(failed(token, discovery, jwks), expected, "{token}");
    }

    /// The token with another `alg` in its header and this signature.
    fn relabelled(token: &str, alg: &Value, signature: &[u8]) -> String {
        let parts = take_apart(token).unwrap();
        let (_, payload) = parts.signing_input.split_once('.').unwrap();
        let header = json!({ "alg": alg, "kid": parts.header.text("kid"), "typ": "at+jwt" });
        format!("{}.{payload}.{}", B64.encode(header.to_string()), B64.encode(signature))
    }

    #[test]
    fn tokens_of_both_algorithms_verify() {
        for alg in BOTH {
            let issuer = issuer(alg);
            let token = issuer.0.sign(&json!({})).unwrap();
            check(&token, &issuer, None);
            let mut altered = take_apart(&token).unwrap().signature;
            altered[9] ^= 1;
            check(&relabelled(&token, &json!(alg), &altered), &issuer, Some("signature"));
        }
    }

    #[test]
    fn an_hmac_under_the_public_key_is_refused() {
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        for alg in BOTH {
            let issuer = issuer(alg);
            let published = issuer.2["keys"][0].to_string();
            let raw = match issuer.0.public() {
                PublicJwk::Ed25519(x) => x.0.to_vec(),
                PublicJwk::P256(xy) => [&[4][..], &xy.0].concat(),
            };
            for secret in [published.as_bytes(), &raw] {
                for hmac in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                    let mut header = Header::new(hmac);
                    header.kid = Some(issuer.0.public().thumbprint());
                    let token = jsonwebtoken::encode(&header, &json!({}), &EncodingKey::from_secret(secret)).unwrap();
                    check(&token, &issuer, Some("algorithm"));
                }
            }
        }
    }

    #[test]
    fn a_token_without_a_signature_is_refused() {
        for alg in BOTH {
            let issuer = issuer(alg);
            let token = issuer.0.sign(&json!({})).unwrap();
            for none in ["none", "None", "NONE", ""] {
                check(&relabelled(&token, &json!(none), b""), &issuer, Some("algorithm"));
            }
            check(&relabelled(&token, &Value::Null, b""), &issuer, Some("algorithm"));
            check(&relabelled(&token, &json!([alg]), b""), &issuer, Some("algorithm"));
            check(&relabelled(&token, &json!(alg), b""), &issuer, Some("signature"));
        }
    }

    #[test]
    fn a_token_of_the_other_algorithm_is_refused_even_if_its_key_is_in_the_key_set() {
        for (own, other) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
            let (mut own, other) = (issuer(own), issuer(other));
            let token = other.0.sign(&json!({})).unwrap();
            check(&token, &own, Some("algorithm"));
            own.2["keys"].as_array_mut().unwrap().push(other.2["keys"][0].clone());
            check(&token, &own, Some("algorithm"));
            // A token that lies about its algorithm is refused by what the key says of itself.
            let lying = relabelled(
                &token,
                &json!(own.0.public().alg()),
                &take_apart(&token).unwrap().signature,
            );
            check(&lying, &own, Some("signature"));
        }
    }

    #[test]
    fn an_issuer_that_names_no_one_algorithm_or_two_keys_of_one_name_is_refused() {
        let (key, discovery, jwks) = issuer(TokenAlg::Es256);
        let token = key.sign(&json!({})).unwrap();
        for algs in [
            json!([]),
            json!(["ES256", "EdDSA"]),
            json!(["HS256"]),
            json!(["none"]),
            json!("ES256"),
            Value::Null,
        ] {
            let discovery = json!({ "id_token_signing_alg_values_supported": algs });
            assert_eq!(failed(&token, &discovery, &jwks), Some("algorithm"), "{discovery}");
        }
        let twice = json!({ "keys": [jwks["keys"][0], jwks["keys"][0]] });
        assert_eq!(failed(&token, &discovery, &twice), Some("signature"));
        assert_eq!(failed(&token, &discovery, &json!({ "keys": [] })), Some("signature"));
    }
}
