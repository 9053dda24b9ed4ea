//! Judging: evidence and registry in, grant or refusal out. The only place where a [`Grant`] is made.

use crate::{
    Evidence, Grant, Refusal, Registry,
    anchor::Past,
    client_assertion::{self, ClientAssertion},
    client_secret::SecretPart,
    grant::{Behind, Jti},
    leaf::Class,
    name::{Audience, ClientId},
    record::ClientRecord,
    sign_in,
};

/// What is judged: the evidence, and the judge's own part of a client secret, as its custodian number and the part.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The evidence.
    pub evidence: &'a Evidence,
    /// The part of a client secret, where the client has one.
    pub secret: Option<(u16, &'a SecretPart)>,
}

impl<'a> Presented<'a> {
    /// Evidence without a secret.
    pub const fn without_secret(evidence: &'a Evidence) -> Self {
        Self { evidence, secret: None }
    }
}

/// Judges evidence against the registry just before the entry that would record it, for a batch of time `batch_ms`.
///
/// Whether the identifier stands in the log already is for the caller to check, who keeps the log.
pub fn judge(registry: &Registry, past: &Past<'_>, presented: Presented<'_>, batch_ms: u64) -> Result<Grant, Refusal> {
    let grant = match presented.evidence {
        Evidence::ClientKey(assertion) => machine(registry, presented.evidence, assertion)?,
        Evidence::SignIn(sign_in, redemption) => {
            let authorized = sign_in::authorize(registry, past, sign_in)?;
            authorized.redeem(registry, redemption, presented)?
        }
    };
    grant.check_time(batch_ms)?;
    Ok(grant)
}

fn machine(registry: &Registry, evidence: &Evidence, assertion: &str) -> Result<Grant, Refusal> {
    let id = client_assertion::claimed_client(assertion)?;
    let client = active_client(registry, &id)?;
    let issuer = registry.issuer().ok_or(Refusal::UnknownClient)?;
    let verified = client_assertion::verify(assertion, (&client.id, &client.keys), issuer)?;
    grant(registry, evidence, client, verified)
}

fn active_client<'a>(registry: &'a Registry, id: &ClientId) -> Result<&'a ClientRecord, Refusal> {
    let client = registry.client(id).ok_or(Refusal::UnknownClient)?;
    if client.suspended {
        Err(Refusal::ClientSuspended)
    } else {
        Ok(client)
    }
}

fn grant(
    registry: &Registry,
    evidence: &Evidence,
    client: &ClientRecord,
    assertion: ClientAssertion,
) -> Result<Grant, Refusal> {
    let issuer = registry.issuer().ok_or(Refusal::UnknownClient)?.clone();
    let scope = match &assertion.scope {
        None => client.scope.clone(),
        Some(narrower) if narrower.is_within(&client.scope) => narrower.clone(),
        Some(_) => return Err(Refusal::ScopeNotRegistered),
    };
    let audience = match &client.audience {
        Some(audience) => audience.clone(),
        None => Audience::new(issuer.as_str()).map_err(|_| Refusal::UnknownClient)?,
    };
    Ok(Grant {
        issuer,
        client_id: client.id.clone(),
        subject: client.id.to_string(),
        scope,
        audience,
        class: Class::ClientKey,
        jkt: client.sender_constrained.then(|| assertion.key_thumbprint.clone()),
        lifetime_s: client.token_lifetime_s,
        jti: Jti::of_client_assertion(&client.id, &assertion.jti),
        window: assertion.window(),
        identifier_dies_ms: assertion.window().dies_ms,
        evidence_digest: evidence.digest(),
        client_tag_key: client.tag_key.clone(),
        behind: Behind::Machine {
            key_thumbprint: assertion.key_thumbprint,
            assertion_jti: assertion.jti,
        },
    })
}
