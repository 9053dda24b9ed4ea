//! A grant: proof that evidence was judged good for exactly these claims. Only [`crate::judge::judge`] makes one.

use crate::{
    Refusal,
    authorization::Authorization,
    cbor::TextMap,
    claim::Claim,
    domain,
    leaf::Class,
    name::{Audience, ClientId, Issuer, Scope},
    person::UserRecord,
    sign_in::auth_time_ms,
    tag::TagKey,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use quorate_tlog::hash::{Hash, sha256};

/// Token identifier; stands at most once in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jti(pub(crate) Hash);

impl Jti {
    /// Class C: one identifier for one client and one of its assertions (PROTOCOL §4).
    pub fn of_client_assertion(client: &ClientId, assertion_jti: &str) -> Self {
        // A CBOR array keeps the border between the two strings, which concatenation would lose.
        let identity = minicbor::to_vec((client, assertion_jti)).unwrap_or_default();
        Self(sha256(&[domain::JTI, b"C", &identity]))
    }

    /// Class A: one identifier for one passkey and one canonical grant.
    pub fn of_passkey(credential_id: &[u8], grant: &[u8]) -> Self {
        Self::of_grant(b"A", credential_id, grant)
    }

    /// Class B: one identifier for one session key and one canonical grant.
    pub fn of_session(session_key: &[u8], grant: &[u8]) -> Self {
        Self::of_grant(b"B", session_key, grant)
    }

    fn of_grant(class: &[u8], identity: &[u8], grant: &[u8]) -> Self {
        let (identity, grant) = (
            <&minicbor::bytes::ByteSlice>::from(identity),
            <&minicbor::bytes::ByteSlice>::from(grant),
        );
        let identity = minicbor::to_vec((identity, grant)).unwrap_or_default();
        Self(sha256(&[domain::JTI, class, &identity]))
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = B64.decode(text).ok()?.try_into().ok()?;
        Some(Self(Hash::from(bytes)))
    }

    /// 32 bytes, the key under which it is remembered.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl std::fmt::Display for Jti {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&B64.encode(self.0.as_bytes()))
    }
}

/// The batches that may use a piece of evidence, by their time, and why others may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First time, milliseconds.
    pub earliest_ms: u64,
    /// First time at which the evidence is dead, milliseconds.
    pub dies_ms: u64,
    /// Refusal of an earlier batch.
    pub early: Refusal,
    /// Refusal of a later batch.
    pub late: Refusal,
}

impl Window {
    /// Whether a batch of this time may use the evidence.
    pub const fn check(&self, batch_ms: u64) -> Result<(), Refusal> {
        if batch_ms < self.earliest_ms {
            return Err(self.early);
        }
        if batch_ms >= self.dies_ms {
            return Err(self.late);
        }
        Ok(())
    }

    /// The times at which both are good; where both refuse, the narrower border says why.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        let (earliest_ms, early) = if other.earliest_ms > self.earliest_ms {
            (other.earliest_ms, other.early)
        } else {
            (self.earliest_ms, self.early)
        };
        let (dies_ms, late) = if other.dies_ms < self.dies_ms {
            (other.dies_ms, other.late)
        } else {
            (self.dies_ms, self.late)
        };
        Self {
            earliest_ms,
            dies_ms,
            early,
            late,
        }
    }
}

/// Which token of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Access token (RFC 9068).
    Access,
    /// ID token (OpenID Connect Core §2).
    Id,
}

/// What the evidence proves, with everything that the tokens will say but their place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub(crate) issuer: Issuer,
    pub(crate) client_id: ClientId,
    pub(crate) subject: String,
    pub(crate) scope: Scope,
    pub(crate) audience: Audience,
    pub(crate) class: Class,
    pub(crate) jkt: Option<String>,
    pub(crate) lifetime_s: u32,
    pub(crate) jti: Jti,
    pub(crate) window: Window,
    /// Death of what the identifier stands for. What a client adds at redemption may die sooner; another one of it would fit as well.
    pub(crate) identifier_dies_ms: u64,
    pub(crate) evidence_digest: Hash,
    pub(crate) client_tag_key: TagKey,
    pub(crate) behind: Behind,
}

/// Who is behind a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Behind {
    /// A machine that speaks for itself.
    Machine {
        /// Thumbprint of the key that signed.
        key_thumbprint: String,
        /// The assertion's own identifier.
        assertion_jti: String,
    },
    /// A person.
    Person(Box<PersonBehind>),
}

/// A person who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PersonBehind {
    pub(crate) authorization: Authorization,
    pub(crate) user: UserRecord,
    pub(crate) tag_key: TagKey,
    /// Time of the tap by the device's clock, milliseconds, and of the head that it came after.
    pub(crate) tapped_ms: u64,
    pub(crate) tap_anchor_ms: u64,
    pub(crate) sid: String,
    pub(crate) access_claims: Vec<Claim>,
    pub(crate) id_claims: Vec<Claim>,
}

impl PersonBehind {
    /// `auth_time`, seconds: never after the leaf.
    pub(crate) fn auth_time_s(&self, leaf_ms: u64) -> u64 {
        let auth_ms = auth_time_ms(self.tapped_ms, self.tap_anchor_ms).min(leaf_ms);
        auth_ms.checked_div(1000).unwrap_or(0)
    }
}

impl Grant {
    /// Token identifier.
    pub const fn jti(&self) -> Jti {
        self.jti
    }

    /// After this time evidence of the same identifier is refused for its age, so it need not be remembered longer.
    pub const fn dies_ms(&self) -> u64 {
        self.identifier_dies_ms
    }

    /// Whether the evidence behind it is good for a batch of this time.
    pub const fn check_time(&self, batch_ms: u64) -> Result<(), Refusal> {
        self.window.check(batch_ms)
    }

    /// The tokens that it yields, in the order of their leaves.
    pub fn tokens(&self) -> &'static [TokenKind] {
        match &self.behind {
            Behind::Person(person) if person.authorization.wants_id_token() => &[TokenKind::Access, TokenKind::Id],
            _ => &[TokenKind::Access],
        }
    }

    /// The scope that the token will hold.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The client that the token is for.
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The one audience that the token will name.
    pub const fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Seconds that the token will live.
    pub const fn lifetime_s(&self) -> u32 {
        self.lifetime_s
    }

    /// Whether the access token is bound to a key that its bearer must prove (RFC 9449 §5).
    pub const fn is_dpop_bound(&self) -> bool {
        matches!(self.behind, Behind::Person(_)) && self.jkt.is_some()
    }

    /// Key of the tags of the person that the tokens speak for.
    pub fn subject_tag_key(&self) -> Option<&TagKey> {
        match &self.behind {
            Behind::Person(person) => Some(&person.tag_key),
            Behind::Machine { .. } => None,
        }
    }

    /// Canonical bytes of the grant, kept in the body so that an auditor can judge again.
    pub fn canonical(&self) -> Vec<u8> {
        match &self.behind {
            Behind::Person(person) => person.authorization.canonical(),
            Behind::Machine {
                key_thumbprint,
                assertion_jti,
            } => {
                let mut map = TextMap::default();
                map.put("v", 1u8)
                    .put("iss", self.issuer.as_str())
                    .put("client_id", self.client_id.as_str())
                    .put("key", key_thumbprint.as_str())
                    .put("jti", assertion_jti.as_str())
                    .put("scope", self.scope.to_string().as_str())
                    .put("resource", self.audience.as_str());
                map.into_canonical()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_border_says_why() {
        let a = Window {
            earliest_ms: 10,
            dies_ms: 50,
            early: Refusal::AnchorAhead,
            late: Refusal::StaleAnchor,
        };
        let b = Window {
            earliest_ms: 20,
            dies_ms: 40,
            early: Refusal::FromTheFuture,
            late: Refusal::Expired,
        };
        let both = a.and(b);
        assert_eq!(both, b.and(a));
        assert_eq!(both.check(19), Err(Refusal::FromTheFuture));
        assert_eq!(both.check(20), Ok(()));
        assert_eq!(both.check(40), Err(Refusal::Expired));
    }

    #[test]
    fn identifiers_of_classes_never_meet() {
        let identity = [1; 64];
        assert_ne!(Jti::of_passkey(&identity, b"g"), Jti::of_session(&identity, b"g"));
        assert_ne!(Jti::of_passkey(b"ab", b"c"), Jti::of_passkey(b"a", b"bc"));
        let jti = Jti::of_passkey(b"ab", b"c");
        assert_eq!(Jti::parse(&jti.to_string()), Some(jti));
        assert_eq!(Jti::parse("AAAA"), None);
    }
}
