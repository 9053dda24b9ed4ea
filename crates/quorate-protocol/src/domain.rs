//! Every domain string of this crate, with what it protects.

/// Vote: "I hold every entry up to this head durably and voted for no conflicting head in this view".
pub const VOTE: &[u8] = b"quorate/vote/v1\0";
/// Outputs of one round (commitments, later shares): which belong to which head, attempt, signer set and round. Makes a bad share
/// a proof that names its maker.
pub const OUTPUTS: &[u8] = b"quorate/outputs/v1\0";
/// New-view statement: the highest certificate that a custodian holds on entering a view.
pub const NEW_VIEW: &[u8] = b"quorate/new-view/v1\0";
/// Proposal of the gateway: who proposed what, so that two proposals in one place are a proof.
pub const PROPOSE: &[u8] = b"quorate/propose/v1\0";
/// What one custodian remembers of another, for the one that joins.
pub const PEER: &[u8] = b"quorate/peer-statement/v1\0";
/// DKG session identifier: ties every DKG message to one tenant, key and attempt.
pub const DKG_SESSION: &[u8] = b"quorate/dkg-session/v1\0";
/// One custodian's part of one round of a DKG, with the digests of what it sealed to others.
pub const DKG_PART: &[u8] = b"quorate/dkg-part/v1\0";
/// Digest over all parts of all rounds so far: what a custodian saw before it went on.
pub const DKG_SEEN: &[u8] = b"quorate/dkg-seen/v1\0";
/// Joint transcript of both keys' DKG, certified by every custodian.
pub const DKG_TRANSCRIPT: &[u8] = b"quorate/dkg-transcript/v1\0";
/// HPKE `info` of envelopes between custodians.
pub const ENVELOPE: &[u8] = b"quorate/envelope/v1\0";
/// HPKE `info` of the key that seals a batch's bodies to the tenant's auditors.
pub const BODY_KEY: &[u8] = b"quorate/body-key/v1\0";
/// Associated data of one sealed body.
pub const BODY: &[u8] = b"quorate/body/v1\0";
/// Digest of a message, for recognising its retransmission.
pub const MESSAGE: &[u8] = b"quorate/message/v1\0";

/// All of them, for the test that finds no twin across crates.
pub const ALL: &[&[u8]] = &[
    VOTE,
    OUTPUTS,
    NEW_VIEW,
    PROPOSE,
    PEER,
    DKG_SESSION,
    DKG_PART,
    DKG_SEEN,
    DKG_TRANSCRIPT,
    ENVELOPE,
    BODY_KEY,
    BODY,
    MESSAGE,
];
