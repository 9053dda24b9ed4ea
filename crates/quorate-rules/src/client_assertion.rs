//! Client authentication with a signed assertion, `private_key_jwt` (RFC 7523 §3, OpenID Connect Core §9; audience by RFC 10070).

use crate::{
    Refusal,
    grant::Window,
    jws::UnverifiedJws,
    name::{ClientId, Issuer, Scope},
    record::ClientKey,
};

/// How long an assertion lives at most, whatever its `exp` says.
pub const MAX_LIFE_MS: u64 = 60_000;
/// How far a client's clock may run ahead of the batch.
pub const LEEWAY_MS: u64 = 30_000;

/// A verified assertion: signed by the client's registered key, for this issuer alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAssertion {
    /// RFC 7638 thumbprint of the key that signed it.
    pub key_thumbprint: String,
    /// The client's own identifier of this assertion, 1 to 128 characters.
    pub jti: String,
    /// Issue time, milliseconds.
    pub issued_ms: u64,
    /// First time at which it may be used (`nbf`), milliseconds; the issue time where it says nothing.
    pub valid_from_ms: u64,
    /// The assertion is dead after this time, min(exp, iat + 60 s), milliseconds.
    pub dies_ms: u64,
    /// Narrower scope that the client asked for under its signature.
    pub scope: Option<Scope>,
}

/// The client that an assertion speaks for, before anything is verified: `iss`, to find its record.
pub fn claimed_client(assertion: &str) -> Result<ClientId, Refusal> {
    let jws = UnverifiedJws::parse(assertion)?;
    let issuer = jws
        .danger_unverified_payload()
        .text("iss")
        .ok_or(Refusal::MissingClaim)?;
    ClientId::new(issuer).map_err(|_| Refusal::UnknownClient)
}

/// Verifies everything about an assertion that does not depend on the time of the batch.
pub fn verify(
    assertion: &str,
    (client, keys): (&ClientId, &[ClientKey]),
    issuer: &Issuer,
) -> Result<ClientAssertion, Refusal> {
    let jws = UnverifiedJws::parse(assertion)?;
    // RFC 7515 §4.1.9: `typ` is optional; where it stands it must be a type made for this use.
    if jws
        .header
        .get("typ")
        .is_some_and(|typ| !is_assertion_type(typ.as_str()))
    {
        return Err(Refusal::WrongType);
    }
    let key = match jws.header.get("kid") {
        None if keys.len() == 1 => keys.first(),
        None => None,
        Some(kid) => keys
            .iter()
            .find(|key| kid.as_str().is_some_and(|kid| key.is_named(kid))),
    }
    .ok_or(Refusal::UnknownKey)?;
    let claims = jws.verify(&key.jwk)?;

    let id = client.as_str();
    if claims.text("iss") != Some(id) || claims.text("sub") != Some(id) {
        return Err(Refusal::WrongSubject);
    }
    if claims.text("aud") != Some(issuer.as_str()) {
        return Err(Refusal::WrongAudience);
    }
    let jti = claims
        .text("jti")
        .filter(|jti| (1..=128).contains(&jti.len()))
        .ok_or(Refusal::MissingClaim)?;
    let seconds = |name| {
        claims
            .integer(name)
            .and_then(|s| s.checked_mul(1000))
            .ok_or(Refusal::MissingClaim)
    };
    let (issued_ms, expires_ms) = (seconds("iat")?, seconds("exp")?);
    let valid_from_ms = if claims.get("nbf").is_some() {
        seconds("nbf")?
    } else {
        issued_ms
    };
    let dies_ms = expires_ms.min(issued_ms.checked_add(MAX_LIFE_MS).ok_or(Refusal::MissingClaim)?);
    let scope = match claims.get("scope") {
        None => None,
        Some(scope) => {
            let scope = scope.as_str().ok_or(Refusal::MalformedAssertion)?;
            Some(Scope::parse(scope).map_err(|_| Refusal::ScopeNotRegistered)?)
        }
    };
    Ok(ClientAssertion {
        key_thumbprint: key.jwk.thumbprint(),
        jti: jti.to_owned(),
        issued_ms,
        valid_from_ms,
        dies_ms,
        scope,
    })
}

impl ClientAssertion {
    /// The batches that may use the assertion: from 30 s before its issue time, or before `nbf` where that is later, to its death.
    pub fn window(&self) -> Window {
        Window {
            earliest_ms: self.issued_ms.max(self.valid_from_ms).saturating_sub(LEEWAY_MS),
            dies_ms: self.dies_ms,
            early: Refusal::FromTheFuture,
            late: Refusal::Expired,
        }
    }
}

fn is_assertion_type(typ: Option<&str>) -> bool {
    typ.is_some_and(|typ| typ.eq_ignore_ascii_case("jwt") || typ.eq_ignore_ascii_case("client-authentication+jwt"))
}
