//! Every domain string of this crate: each hash and signature input starts with exactly one of them, so that bytes made for
//! one purpose never mean anything for another.

/// Token hash of a leaf: over the JWS signing input. Ties one leaf to one token.
pub const TOKEN: &[u8] = b"quorate/token/v1\0";
/// Commitment of a leaf: over the salt and the body. Hides the body, and opens to one body only.
pub const ENTRY: &[u8] = b"quorate/entry/v1\0";
/// Token identifier: over the class, the client and what makes the evidence single-use. One evidence, one identifier.
pub const JTI: &[u8] = b"quorate/jti/v1\0";
/// Evidence digest: over the canonical evidence, kept in the body after the evidence itself is gone.
pub const EVIDENCE: &[u8] = b"quorate/evidence/v1\0";
/// Approval: what an administrator signs, over the registry root and the proposal.
pub const DECISION: &[u8] = b"quorate/decision/v1\0";
/// Registry record: prefix of a leaf of the registry tree, before salt and record.
pub const RECORD: &[u8] = b"quorate/record/v1\0";
/// Record salt: derived from the entry's own salt, so that all custodians derive the same one and nobody else any.
pub const RECORD_SALT: &[u8] = b"quorate/record-salt/v1\0";
/// Tag: keyed with a client's or subject's key, so that only its holder can find its leaves.
pub const TAG: &[u8] = b"quorate/tag/v1\0";
/// Administrator's request to the gateway (reading what is not public).
pub const ADMIN_REQUEST: &[u8] = b"quorate/admin-request/v1\0";

/// All of them, for the test that finds no twin across crates.
pub const ALL: &[&[u8]] = &[
    TOKEN,
    ENTRY,
    JTI,
    EVIDENCE,
    DECISION,
    RECORD,
    RECORD_SALT,
    TAG,
    ADMIN_REQUEST,
];
