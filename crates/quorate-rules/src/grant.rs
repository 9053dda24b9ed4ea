//! A grant: proof that evidence was judged good for exactly these claims. Only [`crate::judge::judge`] makes one.

use crate::{
    Refusal,
    cbor::TextMap,
    domain,
    leaf::Class,
    name::{Audience, ClientId, Issuer, Scope},
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

/// What the evidence proves, with everything that the token will say but its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub(crate) issuer: Issuer,
    pub(crate) client_id: ClientId,
    pub(crate) subject: String,
    pub(crate) scope: Scope,
    pub(crate) audience: Audience,
    pub(crate) class: Class,
    pub(crate) key_thumbprint: String,
    pub(crate) assertion_jti: String,
    pub(crate) sender_constrained: bool,
    pub(crate) lifetime_s: u32,
    pub(crate) jti: Jti,
    pub(crate) earliest_ms: u64,
    pub(crate) dies_ms: u64,
    pub(crate) evidence_digest: Hash,
    pub(crate) client_tag_key: TagKey,
}

impl Grant {
    /// Token identifier.
    pub const fn jti(&self) -> Jti {
        self.jti
    }

    /// After this time the same evidence is refused for its age, so its identifier need not be remembered longer.
    pub const fn dies_ms(&self) -> u64 {
        self.dies_ms
    }

    /// Whether the evidence behind it is good for a batch of this time.
    pub fn check_time(&self, batch_ms: u64) -> Result<(), Refusal> {
        if batch_ms < self.earliest_ms {
            return Err(Refusal::FromTheFuture);
        }
        if batch_ms >= self.dies_ms {
            return Err(Refusal::Expired);
        }
        Ok(())
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

    /// Canonical bytes of the grant, kept in the body so that an auditor can judge again.
    pub fn canonical(&self) -> Vec<u8> {
        let mut map = TextMap::default();
        map.put("v", 1u8)
            .put("iss", self.issuer.as_str())
            .put("client_id", self.client_id.as_str())
            .put("key", self.key_thumbprint.as_str())
            .put("jti", self.assertion_jti.as_str())
            .put("scope", self.scope.to_string().as_str())
            .put("resource", self.audience.as_str());
        map.into_canonical()
    }
}
