//! Classes A and B: a person signs in to a client, and the client redeems the code (PROTOCOL §3–4).
//!
//! Two steps, because two parties contribute. [`authorize`] judges what the page hands over: who answered exactly which grant.
//! [`Authorized::redeem`] adds what the client hands over, and only then there is a [`Grant`].

use crate::{
    Evidence, Grant, Refusal, Registry,
    anchor::{Anchor, Past, WINDOW_MS},
    authorization::{Authorization, code_hash},
    cbor::Array,
    claim::Claim,
    client_assertion, domain, dpop,
    evidence::{Answer, ClientProof, Redemption, SignIn, Tap},
    grant::{Behind, Jti, PersonBehind, Window},
    judge::Presented,
    jwk::PublicJwk,
    leaf::Class,
    name::{Audience, Issuer},
    person::{ClientAuthentication, InteractiveClientRecord, Pkce, Stopped, UserRecord},
    record::credential_key,
    webauthn::{self, Assertion},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use quorate_tlog::hash::{Hash, sha256};
use subtle::ConstantTimeEq;

/// How long after its tap a session may sign in, milliseconds.
pub const SESSION_MS: u64 = 8 * 3_600_000;

/// An authorization that a person's own proof carries.
#[derive(Debug, Clone)]
pub struct Authorized {
    authorization: Authorization,
    class: Class,
    user: UserRecord,
    window: Window,
    jti: Jti,
    tapped_ms: u64,
    tap_anchor_ms: u64,
}

/// Judges what the page hands over, but not the time of the batch: [`Authorized::check_time`] does.
pub fn authorize(registry: &Registry, past: &Past<'_>, sign_in: &SignIn) -> Result<Authorized, Refusal> {
    let authorization = Authorization::read(&sign_in.grant)?;
    let issuer = registry.issuer().ok_or(Refusal::WrongIssuer)?;
    if authorization.issuer != *issuer {
        return Err(Refusal::WrongIssuer);
    }
    let client = client_of(registry, &authorization)?;
    check_request(&authorization, client)?;
    let log = Log::of(registry)?;
    let anchor_ms = past.recent(&authorization.anchor, &log.origin, &log.key)?;
    // The page shows the client as the registry was before the anchor's last leaf: that is what its proof covers.
    let shown = registry
        .client_changed_at(&client.id)
        .is_some_and(|at| at.saturating_add(1) < authorization.anchor.size);
    if !shown {
        return Err(Refusal::StaleRegistry);
    }
    let window = Window {
        earliest_ms: anchor_ms,
        dies_ms: anchor_ms.saturating_add(WINDOW_MS).saturating_add(1),
        early: Refusal::AnchorAhead,
        late: Refusal::StaleAnchor,
    };
    let answered = match &sign_in.answer {
        Answer::Passkey(assertion) => by_passkey(registry, &authorization, assertion, anchor_ms)?,
        Answer::Session(signature, tap) => by_session(
            registry,
            past,
            (&authorization, &sign_in.grant),
            (signature, tap),
            client,
        )?,
    };
    if authorization.sub.as_ref().is_some_and(|sub| *sub != answered.user.sub) {
        return Err(Refusal::WrongUser);
    }
    if let Some(acr) = &authorization.acr
        && !acr.iter().any(|acr| acr.is(answered.class))
    {
        return Err(Refusal::WeakEvidence);
    }
    let window = window.and(answered.window);
    Ok(Authorized {
        class: answered.class,
        user: answered.user,
        window,
        jti: answered.jti,
        tapped_ms: answered.tapped_ms,
        tap_anchor_ms: answered.tap_anchor_ms,
        authorization,
    })
}

/// The log whose heads are anchors.
struct Log {
    origin: String,
    key: Array<32>,
}

impl Log {
    fn of(registry: &Registry) -> Result<Self, Refusal> {
        let tenant = registry.tenant().ok_or(Refusal::WrongIssuer)?;
        let keys = registry.keys().ok_or(Refusal::UnknownAnchor)?;
        Ok(Self {
            origin: tenant.issuer.log_origin(tenant.log),
            key: keys.log_key,
        })
    }
}

fn client_of<'a>(
    registry: &'a Registry,
    authorization: &Authorization,
) -> Result<&'a InteractiveClientRecord, Refusal> {
    let client = registry
        .interactive_client(&authorization.client_id)
        .ok_or(Refusal::UnknownClient)?;
    if client.suspended {
        Err(Refusal::ClientSuspended)
    } else {
        Ok(client)
    }
}

/// What the client's record allows it to ask for.
fn check_request(authorization: &Authorization, client: &InteractiveClientRecord) -> Result<(), Refusal> {
    if !client.admits(&authorization.redirect_uri) {
        return Err(Refusal::WrongRedirectUri);
    }
    if authorization.scope.is_empty() || !authorization.scope.is_within(&client.scope) {
        return Err(Refusal::ScopeNotRegistered);
    }
    // There are no refresh tokens; a granted scope must not promise them.
    if authorization.scope.holds("offline_access") {
        return Err(Refusal::ScopeNotRegistered);
    }
    let wanted = &authorization.claims;
    let mut claims = wanted.id_token.iter().chain(&wanted.userinfo);
    if !claims.all(|claim| client.scope.holds(claim.scope())) {
        return Err(Refusal::ScopeNotRegistered);
    }
    if authorization
        .resource
        .as_ref()
        .is_some_and(|resource| !client.resources.contains(resource))
    {
        return Err(Refusal::ResourceNotRegistered);
    }
    if authorization.code_challenge.is_none() && client.pkce == Pkce::Required {
        return Err(Refusal::PkceRequired);
    }
    Ok(())
}

/// Who answered, and when.
struct Answered {
    class: Class,
    user: UserRecord,
    window: Window,
    jti: Jti,
    tapped_ms: u64,
    tap_anchor_ms: u64,
}

/// The passkey's owner, if the passkey answered exactly this grant and nothing about it changed since the anchor.
fn owner<'a>(
    registry: &'a Registry,
    authorization: &Authorization,
    assertion: &Assertion,
    known_before: &Anchor,
) -> Result<&'a UserRecord, Refusal> {
    let credential = registry.active_credential(&assertion.credential_id)?;
    let user = registry.active_user(&credential.sub)?;
    webauthn::verify(
        assertion,
        &credential.key,
        &authorization.challenge(),
        &authorization.issuer,
    )?;
    let unchanged = |key: &str| registry.changed_at(key).is_some_and(|at| at < known_before.size);
    let sub = format!("user/{}", user.sub);
    if unchanged(&credential_key(&credential.id)) && unchanged(&sub) {
        Ok(user)
    } else {
        Err(Refusal::StaleRegistry)
    }
}

fn by_passkey(
    registry: &Registry,
    authorization: &Authorization,
    assertion: &Assertion,
    anchor_ms: u64,
) -> Result<Answered, Refusal> {
    let user = owner(registry, authorization, assertion, &authorization.anchor)?;
    Ok(Answered {
        class: Class::Passkey,
        user: user.clone(),
        window: ALWAYS,
        jti: Jti::of_passkey(&assertion.credential_id, &authorization.canonical()),
        tapped_ms: authorization.issued_s.saturating_mul(1000),
        tap_anchor_ms: anchor_ms,
    })
}

/// No border of its own.
const ALWAYS: Window = Window {
    earliest_ms: 0,
    dies_ms: u64::MAX,
    early: Refusal::AnchorAhead,
    late: Refusal::StaleAnchor,
};

/// The chain: this grant is signed by the session key that the tap authorised, and the tap is the user's own.
fn by_session(
    registry: &Registry,
    past: &Past<'_>,
    (authorization, grant): (&Authorization, &[u8]),
    (signature, tap): (&Array<64>, &Tap),
    client: &InteractiveClientRecord,
) -> Result<Answered, Refusal> {
    if !client.silent {
        return Err(Refusal::WeakEvidence);
    }
    let key = authorization.session.ok_or(Refusal::MalformedGrant)?;
    let tapped = Authorization::read(&tap.grant)?;
    if tapped.issuer != authorization.issuer {
        return Err(Refusal::WrongIssuer);
    }
    if tapped.session != Some(key) {
        return Err(Refusal::SessionExpired);
    }
    if !PublicJwk::P256(Array(key)).verify(&authorization.session_message(), &signature.0) {
        return Err(Refusal::BadSignature);
    }
    let log = Log::of(registry)?;
    let tap_anchor_ms = past.older(&tapped.anchor, &log.origin, &log.key)?;
    // What the user is and which passkeys count is read now, so a change since the new grant's own anchor is what must be fresh.
    let user = owner(registry, &tapped, &tap.assertion, &authorization.anchor)?;
    if registry.is_stopped(&Stopped::Session(user.sub.clone(), sid(&key))) {
        return Err(Refusal::SessionRevoked);
    }
    let tapped_ms = tapped.issued_s.saturating_mul(1000);
    let until = |dies_ms, late| Window {
        earliest_ms: tap_anchor_ms,
        dies_ms,
        early: Refusal::AnchorAhead,
        late,
    };
    let mut window = until(tap_anchor_ms.saturating_add(SESSION_MS), Refusal::SessionExpired);
    // A tap for this very request satisfies any `max_age`; only a session's may be too old.
    if let Some(max_age_s) = authorization.max_age_s {
        let dies_ms = auth_time_ms(tapped_ms, tap_anchor_ms)
            .saturating_add(max_age_s.saturating_mul(1000))
            .saturating_add(1);
        window = window.and(until(dies_ms, Refusal::AuthenticationTooOld));
    }
    Ok(Answered {
        class: Class::Session,
        user: user.clone(),
        window,
        jti: Jti::of_session(&key, grant),
        tapped_ms,
        tap_anchor_ms,
    })
}

/// When a tap was: by the device's clock, kept within the window that its anchor opens. Milliseconds.
pub(crate) fn auth_time_ms(tapped_ms: u64, tap_anchor_ms: u64) -> u64 {
    tapped_ms.clamp(tap_anchor_ms, tap_anchor_ms.saturating_add(WINDOW_MS))
}

/// Identifier of a session (`sid`), from its key.
pub fn sid(session_key: &[u8; 64]) -> String {
    short(&sha256(&[domain::SESSION, session_key]))
}

fn short(digest: &Hash) -> String {
    B64.encode(digest.as_bytes().first_chunk::<16>().copied().unwrap_or_default())
}

impl Authorized {
    /// The grant that was authorised.
    pub const fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// Identifier of the access token.
    pub const fn jti(&self) -> Jti {
        self.jti
    }

    /// Whether a batch of this time may use it.
    pub const fn check_time(&self, batch_ms: u64) -> Result<(), Refusal> {
        self.window.check(batch_ms)
    }

    /// After this time it is of no use, milliseconds.
    pub const fn dies_ms(&self) -> u64 {
        self.window.dies_ms
    }

    /// Checks what the client adds: the code, the verifier, the redirect URI, its own authentication, the key that it wants its tokens
    /// bound to.
    pub(crate) fn redeem(
        self,
        registry: &Registry,
        redemption: &Redemption,
        presented: Presented<'_>,
    ) -> Result<Grant, Refusal> {
        let authorization = &self.authorization;
        let client = client_of(registry, authorization)?;
        let private = registry.client_private(&client.id).ok_or(Refusal::UnknownClient)?;
        let same_code = code_hash(&redemption.code.0).ct_eq(&authorization.code_hash);
        if !bool::from(same_code) {
            return Err(Refusal::WrongCode);
        }
        check_verifier(authorization, redemption.code_verifier.as_deref())?;
        if redemption.redirect_uri.as_deref() != Some(authorization.redirect_uri.as_str()) {
            return Err(Refusal::WrongRedirectUri);
        }
        let mut window = self.window;
        match (client.authentication, &redemption.client) {
            (ClientAuthentication::None, ClientProof::None) => {}
            (ClientAuthentication::PrivateKeyJwt, ClientProof::Assertion(assertion)) => {
                let verified = client_assertion::verify(assertion, (&client.id, &client.keys), &authorization.issuer)?;
                window = window.and(verified.window());
            }
            (ClientAuthentication::ClientSecret, ClientProof::Secret) => {
                let hashes = private.secret.as_ref().ok_or(Refusal::WrongClientAuthentication)?;
                let (number, part) = presented.secret.ok_or(Refusal::WrongClientAuthentication)?;
                hashes.check(number, part)?;
            }
            _ => return Err(Refusal::WrongClientAuthentication),
        }
        match (&authorization.dpop_jkt, &redemption.dpop) {
            (None, None) => {}
            (Some(jkt), Some(proof)) => window = window.and(dpop::verify(proof, jkt)?),
            _ => return Err(Refusal::WrongDpopProof),
        }
        let tag_key = client_tag_and_user(private, &self.user)?;
        self.grant(client, presented.evidence, window, tag_key)
    }

    fn grant(
        self,
        client: &InteractiveClientRecord,
        evidence: &Evidence,
        window: Window,
        (client_tag_key, subject_tag_key): (crate::tag::TagKey, crate::tag::TagKey),
    ) -> Result<Grant, Refusal> {
        let authorization = self.authorization;
        let issuer = authorization.issuer.clone();
        let audience = audience(&issuer, &authorization)?;
        let own = audience.as_str() == issuer.as_str();
        let scope = authorization.scope.clone();
        let by_scope: Vec<Claim> = Claim::of_scope(&scope).collect();
        let within = |listed: &[Claim]| {
            by_scope
                .iter()
                .copied()
                .filter(|claim| listed.contains(claim))
                .collect::<Vec<_>>()
        };
        let asked = |mut claims: Vec<Claim>, more: &std::collections::BTreeSet<Claim>| {
            claims.extend(more);
            claims.sort_unstable();
            claims.dedup();
            claims
        };
        let access_claims = if own {
            asked(by_scope.clone(), &authorization.claims.userinfo)
        } else {
            within(&client.access_token_claims)
        };
        let id_claims = asked(within(&client.id_token_claims), &authorization.claims.id_token);
        let sid = match &authorization.session {
            Some(key) => sid(key),
            None => short(&sha256(&[domain::SESSION, self.jti.as_bytes()])),
        };
        Ok(Grant {
            issuer,
            client_id: client.id.clone(),
            subject: self.user.sub.to_string(),
            scope,
            audience,
            class: self.class,
            jkt: authorization.dpop_jkt.clone(),
            lifetime_s: client.token_lifetime_s,
            jti: self.jti,
            window,
            identifier_dies_ms: self.window.dies_ms,
            evidence_digest: evidence.digest(),
            client_tag_key,
            behind: Behind::Person(Box::new(PersonBehind {
                authorization,
                user: self.user,
                tag_key: subject_tag_key,
                tapped_ms: self.tapped_ms,
                tap_anchor_ms: self.tap_anchor_ms,
                sid,
                access_claims,
                id_claims,
            })),
        })
    }
}

/// The tag keys of client and person; who has a passkey has one.
fn client_tag_and_user(
    private: &crate::person::ClientPrivateRecord,
    user: &UserRecord,
) -> Result<(crate::tag::TagKey, crate::tag::TagKey), Refusal> {
    let subject = user.tag_key.clone().ok_or(Refusal::UnknownCredential)?;
    Ok((private.tag_key.clone(), subject))
}

fn audience(issuer: &Issuer, authorization: &Authorization) -> Result<Audience, Refusal> {
    match &authorization.resource {
        Some(resource) => Ok(resource.clone()),
        None => Audience::new(issuer.as_str()).map_err(|_| Refusal::WrongIssuer),
    }
}

/// RFC 7636 §4.6, S256 only. A verifier without a challenge is a sign that the challenge was stripped on the way (RFC 9700 §2.1.1).
fn check_verifier(authorization: &Authorization, verifier: Option<&str>) -> Result<(), Refusal> {
    match (&authorization.code_challenge, verifier) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) => {
            let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
            let sound = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
            let computed = B64.encode(sha256(&[verifier.as_bytes()]).as_bytes());
            if sound && bool::from(computed.as_bytes().ct_eq(challenge.as_bytes())) {
                Ok(())
            } else {
                Err(Refusal::WrongVerifier)
            }
        }
        _ => Err(Refusal::WrongVerifier),
    }
}
