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
/// DKG broadcast, signed by its dealer.
pub const DKG_BROADCAST: &[u8] = b"quorate/dkg-broadcast/v1\0";
/// Digest over all broadcasts: what a dealer saw before it dealt.
pub const DKG_BROADCASTS: &[u8] = b"quorate/dkg-broadcasts/v1\0";
/// DKG deal, sealed to its recipient and signed by its dealer.
pub const DKG_DEAL: &[u8] = b"quorate/dkg-deal/v1\0";
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
    DKG_BROADCAST,
    DKG_BROADCASTS,
    DKG_DEAL,
    DKG_TRANSCRIPT,
    ENVELOPE,
    BODY_KEY,
    BODY,
    MESSAGE,
];
