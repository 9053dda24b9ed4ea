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

/// Challenge of a grant: what a passkey signs for one sign-in.
pub const GRANT: &[u8] = b"quorate/grant/v1\0";
/// Grant signed by a session key: no passkey challenge means one, and none means a passkey challenge.
pub const SESSION_GRANT: &[u8] = b"quorate/session-grant/v1\0";
/// Session identifier: over the session key, so that tokens of one session are recognised without the key.
pub const SESSION: &[u8] = b"quorate/session/v1\0";
/// Code hash: the page shows the hash before anybody has the code.
pub const CODE: &[u8] = b"quorate/code/v1\0";
/// HKDF `info` of a custodian's part of a client secret: no custodian learns what another is shown.
pub const CLIENT_SECRET: &[u8] = b"quorate/client-secret/v1\0";
/// Hash of such a part, as it stands in the registry.
pub const CLIENT_SECRET_PART: &[u8] = b"quorate/client-secret-part/v1\0";
/// Enrolment statement: what an invitation's seed and the new passkey sign.
pub const ENROL: &[u8] = b"quorate/enrol/v1\0";
/// Revocation statement: what a passkey signs to stop a token.
pub const REVOKE: &[u8] = b"quorate/revoke/v1\0";
/// Key of a credential's record: over the credential id, whose length varies.
pub const CREDENTIAL: &[u8] = b"quorate/credential/v1\0";
/// Digest of a passkey's public key, by which a second registration of one key is noticed.
pub const PASSKEY_KEY: &[u8] = b"quorate/passkey-key/v1\0";

/// HKDF `info` of the key that seals one body to the person it is about.
pub const SUBJECT_BODY: &[u8] = b"quorate/subject-body/v1\0";

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
    GRANT,
    SESSION_GRANT,
    SESSION,
    CODE,
    CLIENT_SECRET,
    CLIENT_SECRET_PART,
    ENROL,
    REVOKE,
    CREDENTIAL,
    PASSKEY_KEY,
    SUBJECT_BODY,
];
