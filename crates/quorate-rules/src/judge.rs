//! The judgement: evidence and registry in, grant or refusal out.

use crate::{
    Evidence, Grant, Jti, Refusal, Registry,
    client_assertion::{self, ClientAssertion},
    leaf::Class,
    name::{Audience, ClientId},
    record::ClientRecord,
};

/// Judges evidence against the registry just before its leaf, at the time of its batch.
///
/// Whether the identifier stands in the log already is for the caller to check, who keeps the log.
pub fn judge(registry: &Registry, evidence: &Evidence, batch_ms: u64) -> Result<Grant, Refusal> {
    let Evidence::ClientKey(assertion) = evidence;
    let id = client_assertion::claimed_client(assertion)?;
    let client = active_client(registry, &id)?;
    let issuer = registry.issuer().ok_or(Refusal::UnknownClient)?;
    let verified = client_assertion::verify(assertion, client, issuer)?;
    let grant = grant(registry, evidence, client, verified)?;
    grant.check_time(batch_ms)?;
    Ok(grant)
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
        key_thumbprint: assertion.key_thumbprint.clone(),
        jti: Jti::of_client_assertion(&client.id, &assertion.jti),
        assertion_jti: assertion.jti.clone(),
        sender_constrained: client.sender_constrained,
        lifetime_s: client.token_lifetime_s,
        earliest_ms: assertion.earliest_ms(),
        dies_ms: assertion.dies_ms,
        evidence_digest: evidence.digest(),
        client_tag_key: client.tag_key.clone(),
    })
}
