//! JWT access tokens (RFC 9068) and ID tokens (OpenID Connect Core §2): a grant and a place in the log give exactly one signing input and
//! one leaf for each.

use crate::{
    Grant, TokenAlg,
    body::TokenBody,
    cbor::{Array, Bytes, Canonical},
    grant::{Behind, PersonBehind, TokenKind},
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
    pub alg: TokenAlg,
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
    pub fn build(grant: &Grant, kind: TokenKind, at: &Position, header: &SigningHeader, salt: &[u8; 32]) -> Self {
        let (typ, payload) = match (kind, &grant.behind) {
            (TokenKind::Id, Behind::Person(person)) => ("JWT", id_claims(grant, person, at)),
            _ => ("at+jwt", access_claims(grant, at)),
        };
        let signing_input = format!("{}.{}", B64.encode(protected(header, typ)), B64.encode(&payload));
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
            subject_tag: grant
                .subject_tag_key()
                .map_or_else(Tag::default, |key| key.tag(at.log, at.index)),
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

fn protected(header: &SigningHeader, typ: &str) -> String {
    let mut object = ObjectWriter::default();
    object
        .text("alg", header.alg.name())
        .text("kid", &header.kid)
        .text("typ", typ);
    object.finish()
}

/// Claims of both kinds of token.
fn common_claims(grant: &Grant, audience: &str, at: &Position) -> ObjectWriter {
    let issued_s = at.time_ms.checked_div(1000).unwrap_or(0);
    let mut object = ObjectWriter::default();
    object
        .text("iss", grant.issuer.as_str())
        .text("aud", audience)
        .text("sub", &grant.subject)
        .integer("iat", issued_s)
        .integer("exp", issued_s.saturating_add(u64::from(grant.lifetime_s)))
        .text("acr", grant.class.acr())
        .texts("amr", grant.class.amr())
        .text("tlx", &format!("{}/{}", at.log, at.index));
    if let Behind::Person(person) = &grant.behind {
        object
            .integer("auth_time", person.auth_time_s(at.time_ms))
            .text("sid", &person.sid);
    }
    object
}

fn access_claims(grant: &Grant, at: &Position) -> String {
    let mut object = common_claims(grant, grant.audience.as_str(), at);
    object
        .text("client_id", grant.client_id.as_str())
        .text("jti", &grant.jti.to_string());
    if !grant.scope.is_empty() {
        object.text("scope", &grant.scope.to_string());
    }
    if let Some(jkt) = &grant.jkt {
        let mut cnf = ObjectWriter::default();
        cnf.text("jkt", jkt);
        object.object("cnf", &cnf);
    }
    if let Behind::Person(person) = &grant.behind {
        for claim in &person.access_claims {
            claim.write(&person.user, &mut object);
        }
    }
    object.finish()
}

/// No `at_hash`: the access token's signature does not exist when the ID token is derived.
fn id_claims(grant: &Grant, person: &PersonBehind, at: &Position) -> String {
    let mut object = common_claims(grant, grant.client_id.as_str(), at);
    if let Some(nonce) = &person.authorization.nonce {
        object.text("nonce", nonce);
    }
    for claim in &person.id_claims {
        claim.write(&person.user, &mut object);
    }
    object.finish()
}
