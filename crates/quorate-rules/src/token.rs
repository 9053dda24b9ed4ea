//! JWT access tokens (RFC 9068): a grant and its place in the log give exactly one signing input and one leaf.

use crate::{
    Grant,
    body::TokenBody,
    cbor::{Array, Bytes, Canonical},
    json::ObjectWriter,
    leaf::{EntryType, Leaf, Tag, commitment, token_hash},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use quorate_tlog::hash::Hash;

/// A place in the log, with what every leaf at that place must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the log (the `1` of `/log/1`).
    pub log: u64,
    /// Index of the leaf.
    pub index: u64,
    /// Time of the batch, milliseconds.
    pub time_ms: u64,
    /// Root of the registry just before the leaf.
    pub registry_root: Hash,
}

/// `alg` and `kid` of the issuer's token key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningHeader {
    /// JWS algorithm of the issuer.
    pub alg: String,
    /// Thumbprint of the token key.
    pub kid: String,
}

/// A token as it will stand in the log and be signed; built alike by the gateway and by every custodian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenEntry {
    /// Public leaf.
    pub leaf: Leaf,
    /// Canonical body that the leaf commits to.
    pub body: Vec<u8>,
    /// JWS signing input: `base64url(header).base64url(payload)`.
    pub signing_input: String,
}

impl TokenEntry {
    /// Derives everything from the grant, its position and the salt that the gateway chose.
    pub fn build(grant: &Grant, at: &Position, header: &SigningHeader, salt: &[u8; 32]) -> Self {
        let payload = claims(grant, at);
        let signing_input = format!("{}.{}", B64.encode(protected(header)), B64.encode(&payload));
        let body = TokenBody {
            claims: Bytes(payload.into_bytes()),
            evidence_digest: Array(*grant.evidence_digest.as_bytes()),
            grant: Bytes(grant.canonical()),
        }
        .to_canonical();
        let leaf = Leaf {
            entry_type: EntryType::Token,
            time_ms: at.time_ms,
            registry_root: at.registry_root,
            token_hash: token_hash(signing_input.as_bytes()),
            commit: commitment(salt, &body),
            class: grant.class,
            // A machine speaks for itself: there is no person whose tag could stand here.
            subject_tag: Tag::default(),
            client_tag: grant.client_tag_key.tag(at.log, at.index),
        };
        Self {
            leaf,
            body,
            signing_input,
        }
    }

    /// The compact JWS, given the signature over [`TokenEntry::signing_input`].
    pub fn compact(&self, signature: &[u8]) -> String {
        format!("{}.{}", self.signing_input, B64.encode(signature))
    }
}

fn protected(header: &SigningHeader) -> String {
    let mut object = ObjectWriter::default();
    object
        .text("alg", &header.alg)
        .text("kid", &header.kid)
        .text("typ", "at+jwt");
    object.finish()
}

fn claims(grant: &Grant, at: &Position) -> String {
    let issued_s = at.time_ms / 1000;
    let mut object = ObjectWriter::default();
    object
        .text("iss", grant.issuer.as_str())
        .text("aud", grant.audience.as_str())
        .text("sub", &grant.subject)
        .text("client_id", grant.client_id.as_str())
        .integer("iat", issued_s)
        .integer("exp", issued_s.saturating_add(u64::from(grant.lifetime_s)))
        .text("jti", &grant.jti.to_string())
        .text("acr", grant.class.acr())
        .texts("amr", grant.class.amr())
        .text("tlx", &format!("{}/{}", at.log, at.index));
    if !grant.scope.is_empty() {
        object.text("scope", &grant.scope.to_string());
    }
    if grant.sender_constrained {
        let mut cnf = ObjectWriter::default();
        cnf.text("jkt", &grant.key_thumbprint);
        object.object("cnf", &cnf);
    }
    object.finish()
}
