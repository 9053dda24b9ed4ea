//! Access tokens presented to this gateway itself (RFC 6750, RFC 9449 §7): checked as any relying party would, and in the log besides. What
//! is found here can only deny.

use crate::{anchors::base64, ledger::read_entries};
use quorate_protocol::Head;
use quorate_rules::{
    Jti, Leaf, Registry,
    json::StrictObject,
    jwk::PublicJwk,
    jws::UnverifiedJws,
    leaf::{EntryType, token_hash},
    name::{ClientId, Subject},
};
use quorate_store::LogStore;
use quorate_tlog::hash::sha256;

/// How far from now a DPoP proof may be, milliseconds.
const DPOP_MS: u64 = 60_000;

/// A token as it was presented.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The token.
    pub token: &'a str,
    /// The scheme says that it is bound to a key.
    pub dpop: bool,
    /// The proof, if there is one.
    pub proof: Option<&'a str>,
    /// HTTP method and URL, which the proof must name.
    pub request: (&'a str, &'a str),
}

/// A good access token of a person.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// Whom it speaks for.
    pub sub: Subject,
    /// Its claims, as custodians signed them.
    pub claims: StrictObject,
}

impl Bearer {
    /// Whether its scope holds this token.
    pub fn may(&self, scope: &str) -> bool {
        let granted = self.claims.text("scope").unwrap_or_default();
        granted.split(' ').any(|token| token == scope)
    }
}

/// Checks a token against keys, log and registry; the text says what is wrong.
pub fn check(
    (registry, head): (&Registry, Head),
    store: &dyn LogStore,
    presented: Presented<'_>,
    now_ms: u64,
) -> Result<Bearer, &'static str> {
    let issuer = registry.issuer().ok_or("there is no tenant yet")?;
    let jws = UnverifiedJws::parse(presented.token).map_err(|_| "not a signed JWT")?;
    let (signing_input, _) = presented.token.rsplit_once('.').ok_or("not a signed JWT")?;
    if jws.header.text("typ") != Some("at+jwt") {
        return Err("not an access token");
    }
    let key = registry.token_key().ok_or("there are no keys yet")?;
    let claims = jws.verify(key).map_err(|_| "the signature does not verify")?;
    let now_s = now_ms / 1000;
    if claims.text("iss") != Some(issuer.as_str()) || claims.text("aud") != Some(issuer.as_str()) {
        return Err("not for this issuer");
    }
    if claims.integer("exp").is_none_or(|exp| exp <= now_s) {
        return Err("expired");
    }
    check_log(&claims, signing_input, head, store)?;
    let sub = claims
        .text("sub")
        .and_then(|sub| Subject::new(sub).ok())
        .ok_or("does not speak for a person")?;
    registry.active_user(&sub).map_err(|_| "the account is stopped")?;
    let client = claims
        .text("client_id")
        .and_then(|id| ClientId::new(id).ok())
        .ok_or("names no client")?;
    if registry
        .interactive_client(&client)
        .is_none_or(|client| client.suspended)
    {
        return Err("the client is stopped");
    }
    let jti = claims.text("jti").and_then(Jti::parse).ok_or("has no identifier")?;
    if registry.is_token_stopped(&sub, &jti, claims.text("sid")) {
        return Err("revoked");
    }
    check_binding(&claims, presented, now_ms)?;
    Ok(Bearer { sub, claims })
}

/// A signature alone does not make a token: its leaf stands in the certified log.
fn check_log(claims: &StrictObject, signing_input: &str, head: Head, store: &dyn LogStore) -> Result<(), &'static str> {
    let missing = "does not stand in the log";
    let (_, index) = claims.text("tlx").and_then(|tlx| tlx.split_once('/')).ok_or(missing)?;
    let index: u64 = index.parse().map_err(|_| missing)?;
    if index >= head.size {
        return Err(missing);
    }
    let entries = read_entries(store, index, 1).map_err(|_| "the log cannot be read")?;
    let leaf = entries
        .first()
        .and_then(|entry| Leaf::decode(&entry.leaf.0).ok())
        .ok_or(missing)?;
    if leaf.entry_type == EntryType::Token && leaf.token_hash == token_hash(signing_input.as_bytes()) {
        Ok(())
    } else {
        Err(missing)
    }
}

/// RFC 9449 §7.1: a bound token needs a proof by its key, for this request and this token; an unbound one takes none.
fn check_binding(claims: &StrictObject, presented: Presented<'_>, now_ms: u64) -> Result<(), &'static str> {
    let bound = claims
        .get("cnf")
        .and_then(|cnf| cnf.get("jkt"))
        .and_then(|jkt| jkt.as_str());
    let (jkt, proof) = match (bound, presented.dpop, presented.proof) {
        (None, false, _) => return Ok(()),
        (None, true, _) => return Err("is not bound to a key; present it as Bearer"),
        (Some(_), false, _) => return Err("is bound to a key; present it as DPoP"),
        (Some(_), true, None) => return Err("needs a DPoP proof"),
        (Some(jkt), true, Some(proof)) => (jkt, proof),
    };
    let wrong = "the DPoP proof is not for this request and this token";
    let jws = UnverifiedJws::parse(proof).map_err(|_| wrong)?;
    if jws.header.text("typ") != Some("dpop+jwt") {
        return Err(wrong);
    }
    let key = jws
        .header
        .get("jwk")
        .and_then(|jwk| serde_json::to_vec(jwk).ok())
        .ok_or(wrong)?;
    let key = PublicJwk::parse(&key).map_err(|_| wrong)?;
    let proof = jws.verify(&key).map_err(|_| wrong)?;
    let (method, url) = presented.request;
    let fits = key.thumbprint() == jkt
        && proof.text("htm") == Some(method)
        && proof.text("htu") == Some(url)
        && proof.text("ath") == Some(base64(sha256(&[presented.token.as_bytes()]).as_bytes()).as_str())
        && proof.text("jti").is_some()
        && proof
            .integer("iat")
            .is_some_and(|iat| iat.saturating_mul(1000).abs_diff(now_ms) <= DPOP_MS);
    if fits { Ok(()) } else { Err(wrong) }
}
