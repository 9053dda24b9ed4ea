//! DPoP proofs at the token endpoint (RFC 9449 §4, §5): the client proves that it has the key which the grant names.
//!
//! A custodian checks everything but `htu`: the tenant's log does not say where its gateways listen. The gateway, which knows its own
//! address, checks that.

use crate::{Refusal, grant::Window, jwk::PublicJwk, jws::UnverifiedJws};

/// How far from the batch a proof may be, milliseconds.
const LEEWAY_MS: u64 = 60_000;

/// Verifies a proof by the key of this thumbprint; says which batches may use it.
pub fn verify(proof: &str, thumbprint: &str) -> Result<Window, Refusal> {
    let wrong = Refusal::WrongDpopProof;
    let jws = UnverifiedJws::parse(proof).map_err(|_| wrong)?;
    if jws.header.text("typ") != Some("dpop+jwt") {
        return Err(wrong);
    }
    let key = jws.header.get("jwk").ok_or(wrong)?;
    // A private key in the header is a client's accident that must not pass unnoticed (RFC 9449 §4.2).
    if key.get("d").is_some() {
        return Err(wrong);
    }
    let key = serde_json::to_vec(key).map_err(|_| wrong)?;
    let key = PublicJwk::parse(&key).map_err(|_| wrong)?;
    if key.thumbprint() != thumbprint {
        return Err(wrong);
    }
    let claims = jws.verify(&key).map_err(|_| wrong)?;
    let identified = claims.text("jti").is_some_and(|jti| (1..=128).contains(&jti.len()));
    if !identified || claims.text("htm") != Some("POST") || claims.text("htu").is_none() {
        return Err(wrong);
    }
    let issued_ms = claims.integer("iat").and_then(|s| s.checked_mul(1000)).ok_or(wrong)?;
    Ok(Window {
        earliest_ms: issued_ms.saturating_sub(LEEWAY_MS),
        dies_ms: issued_ms.saturating_add(LEEWAY_MS),
        early: wrong,
        late: wrong,
    })
}
