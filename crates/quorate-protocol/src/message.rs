//! Messages between gateway and custodian (PROTOCOL §5, §9): deterministic CBOR, each with its bounds.

use crate::{
    Head, QuorumCertificate, View, Vote, domain,
    envelope::{Enclosed, Envelope},
    signed::Statement,
};
use minicbor::{Decode, Encode};
use quorate_rules::{
    Evidence, Refusal,
    anchor::Heads,
    canonical,
    cbor::{self, Array, Bytes, Canonical},
    client_secret::SecretPart,
    leaf::Leaf,
    name::PartyName,
};
use quorate_tlog::hash::{Hash, sha256};

/// Most entries in one batch.
pub const MAX_BATCH: usize = 256;
/// Largest message in bytes: a full batch of the largest evidence with room to spare.
pub const MAX_MESSAGE: usize = 4 << 20;
/// Most entries in one `follow` or `fetch`.
pub const MAX_TRANSFER: usize = 4096;
/// Longest trace context in bytes: what custodians log must not grow with what a stranger sends.
pub const MAX_TRACEPARENT: usize = 64;

/// Opening of a leaf's commitment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Opening {
    /// Salt.
    #[n(0)]
    pub salt: Array<32>,
    /// Canonical body.
    #[n(1)]
    pub body: Bytes,
}

/// An entry as it is kept and handed on: the public leaf and, by its type, the open or the sealed body.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LogEntry {
    /// Public leaf.
    #[n(0)]
    pub leaf: Array<{ Leaf::LEN }>,
    /// Opening, for entries that everybody must fold.
    #[n(1)]
    pub opening: Option<Opening>,
    /// Opening sealed to the tenant's auditors, for tokens.
    #[n(2)]
    pub sealed: Option<Bytes>,
    /// Identifier of the token; local, never handed on, because whoever receives it could not check it.
    #[n(3)]
    pub jti: Option<Array<32>>,
    /// When the evidence behind [`LogEntry::jti`] dies, milliseconds; local.
    #[n(4)]
    pub dies_ms: Option<u64>,
    /// Opening sealed to the person that the token speaks for, for the account page.
    #[n(5)]
    pub for_subject: Option<Bytes>,
    /// Root of the head that ends with this entry, where one does; local, because everybody computes it.
    #[n(6)]
    pub root: Option<Array<32>>,
}

impl LogEntry {
    /// The entry without what is only local.
    #[must_use]
    pub fn for_others(mut self) -> Self {
        self.jti = None;
        self.dies_ms = None;
        self.root = None;
        self
    }

    /// An entry of the public leaf and nothing else yet.
    pub const fn of_leaf(leaf: Array<{ Leaf::LEN }>) -> Self {
        Self {
            leaf,
            opening: None,
            sealed: None,
            jti: None,
            dies_ms: None,
            for_subject: None,
            root: None,
        }
    }
}

/// Notes in entries where heads end, so that the heads are there again after a restart.
pub fn note_heads(first: u64, entries: &mut [LogEntry], heads: &Heads) {
    for (size, entry) in (first.saturating_add(1)..).zip(entries) {
        entry.root = heads.at(size).map(|head| Array(*head.root.as_bytes()));
    }
}

/// `hello`: what the gateway asks first on every connection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// Origin of the log.
    #[n(0)]
    pub origin: String,
}

/// Where a custodian stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Status {
    /// Its number.
    #[n(0)]
    pub custodian: u16,
    /// Whether it votes.
    #[n(1)]
    pub standing: Standing,
    /// Grows with every start; serves clone alarms only.
    #[n(2)]
    pub incarnation: u64,
    /// View that it has entered.
    #[n(3)]
    pub view: View,
    /// Highest head under a certificate whose successor has one too, or the empty head.
    #[n(4)]
    pub settled: Head,
    /// Highest head under a certificate.
    #[n(5)]
    pub certified: Head,
    /// Highest certificate: its lock.
    #[n(6)]
    pub lock: Option<QuorumCertificate>,
    /// Key epoch in force; 0 before the keys entry.
    #[n(7)]
    pub epoch: u32,
    /// Fresh random bytes that statements for a joining custodian must repeat.
    #[n(8)]
    pub challenge: Array<32>,
    /// Transcripts of finished DKGs whose keys are not in the log yet.
    #[n(9)]
    pub transcripts: Vec<Array<32>>,
    /// Custodians with which it never signs again under these keys.
    #[n(10)]
    pub banned: Vec<u16>,
}

/// Whether a custodian votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Standing {
    /// It waits for others' statements.
    #[n(0)]
    Joining,
    /// It votes and signs.
    #[n(1)]
    Voting,
    /// Its disk was rolled back; it follows only.
    #[n(2)]
    Amnesic,
}

/// Asks one custodian what it remembers of another.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AskPeer {
    /// Number of the custodian that joins.
    #[n(0)]
    pub about: u16,
    /// Its challenge.
    #[n(1)]
    pub challenge: Array<32>,
}

/// What one custodian remembers of another: the newest vote, if any.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PeerStatement {
    /// Origin of the log.
    #[n(0)]
    pub origin: String,
    /// Who states.
    #[n(1)]
    pub by: u16,
    /// Whom it is about.
    #[n(2)]
    pub about: u16,
    /// Challenge of the one that joins.
    #[n(3)]
    pub challenge: Array<32>,
    /// View and head of the newest vote held.
    #[n(4)]
    pub newest: Option<(View, Head)>,
}

impl Statement for PeerStatement {
    const DOMAIN: &'static [u8] = domain::PEER;
}

/// A statement with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedPeerStatement {
    /// The statement.
    #[n(0)]
    pub statement: PeerStatement,
    /// Identity signature.
    #[n(1)]
    pub signature: Array<64>,
}

/// Statements of `t − 1` others for one that joins.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Join {
    /// Statements by distinct custodians.
    #[n(0)]
    pub statements: Vec<SignedPeerStatement>,
}

/// Asks a custodian to enter a higher view.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EnterView {
    /// Origin of the log.
    #[n(0)]
    pub origin: String,
    /// The view to enter.
    #[n(1)]
    pub view: View,
}

/// "I entered this view, and this is the highest certificate I hold."
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NewView {
    /// Origin of the log.
    #[n(0)]
    pub origin: String,
    /// View entered.
    #[n(1)]
    pub view: View,
    /// Who entered it.
    #[n(2)]
    pub custodian: u16,
    /// Highest certificate held.
    #[n(3)]
    pub certificate: Option<QuorumCertificate>,
    /// Highest head voted for, certified or not.
    #[n(4)]
    pub head: Head,
}

impl Statement for NewView {
    const DOMAIN: &'static [u8] = domain::NEW_VIEW;
}

/// A new-view statement with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedNewView {
    /// The statement.
    #[n(0)]
    pub statement: NewView,
    /// Identity signature.
    #[n(1)]
    pub signature: Array<64>,
}

/// Entries that a custodian has not yet, under a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Follow {
    /// Origin of the log.
    #[n(0)]
    pub origin: String,
    /// Index of the first entry; the size of a head that the custodian holds.
    #[n(1)]
    pub from: u64,
    /// Entries in order.
    #[n(2)]
    pub entries: Vec<LogEntry>,
    /// Certificate of the head after the last entry, or of a later one.
    #[n(3)]
    pub certificate: QuorumCertificate,
    /// RFC 9162 consistency proof from the head after the last entry to the certified one; empty where they are the same.
    #[n(4)]
    pub consistency: Vec<Array<32>>,
}

/// Asks for entries that this custodian holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Fetch {
    /// Origin of the log.
    #[n(0)]
    pub origin: String,
    /// Index of the first entry.
    #[n(1)]
    pub from: u64,
    /// Most entries to send.
    #[n(2)]
    pub limit: u64,
}

/// Entries in order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Fetched {
    /// The entries; fewer than asked for where the message would grow too large.
    #[n(0)]
    pub entries: Vec<LogEntry>,
}

/// One entry of a batch with what a signer needs to judge it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ProposedEntry {
    /// Public leaf.
    #[n(0)]
    pub leaf: Array<{ Leaf::LEN }>,
    /// Opening; without it the batch is refused.
    #[n(1)]
    pub opening: Option<Opening>,
    /// Evidence of a token; absent for a further token of the entry before.
    #[n(2)]
    pub evidence: Option<Evidence>,
    /// W3C trace context of the request, for the custodian's own log lines; at most [`MAX_TRACEPARENT`] bytes.
    #[n(3)]
    pub traceparent: Option<String>,
}

/// Trip 1: a batch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Propose {
    /// Origin of the log.
    #[n(0)]
    pub origin: String,
    /// View.
    #[n(1)]
    pub view: View,
    /// Certificate of the head that the batch extends; absent for the first batch.
    #[n(2)]
    pub parent: Option<QuorumCertificate>,
    /// Statements of a quorum, where the parent is of a lower view.
    #[n(3)]
    pub new_view: Vec<SignedNewView>,
    /// Batch time, milliseconds since 1970 UTC.
    #[n(4)]
    pub time_ms: u64,
    /// The batch.
    #[n(5)]
    pub entries: Vec<ProposedEntry>,
    /// Head after the batch.
    #[n(6)]
    pub head: Head,
    /// Attempt at this head, from 0.
    #[n(7)]
    pub attempt: u16,
    /// The `t` custodians that sign, ascending.
    #[n(8)]
    pub signers: Vec<u16>,
    /// Name of the proposing gateway.
    #[n(9)]
    pub gateway: PartyName,
}

impl Statement for Propose {
    const DOMAIN: &'static [u8] = domain::PROPOSE;
}

/// A proposal with the gateway's signature, over the digest of the canonical proposal.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedPropose {
    /// The proposal.
    #[n(0)]
    pub proposal: Propose,
    /// Signature by the gateway's link key.
    #[n(1)]
    pub signature: Array<64>,
    /// The recipient's own parts of client secrets, by index of the entry. Outside the proposal, because every custodian gets others.
    #[n(2)]
    pub secrets: Vec<(u64, SecretPart)>,
}

/// What a list of outputs is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Purpose {
    /// The token of the leaf with this index, under the token key.
    #[n(0)]
    Token(#[n(0)] u64),
    /// The checkpoint of the head, under the log key.
    #[n(1)]
    Checkpoint,
}

/// One signer's output of one round for one signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Output {
    /// Which signature.
    #[n(0)]
    pub purpose: Purpose,
    /// SHA-256 of the bytes to be signed, as this custodian built them.
    #[cbor(n(1), with = "cbor::hash")]
    pub digest: Hash,
    /// The scheme's own bytes, for all.
    #[n(2)]
    pub bytes: Bytes,
}

/// One signer's outputs of one round, in ascending order of purpose.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Outputs {
    /// Items.
    #[n(0)]
    pub items: Vec<Output>,
    /// What is sealed to single other signers; empty where the schemes have nothing of the kind.
    #[n(1)]
    pub enclosed: Vec<Enclosed>,
}

/// What one signer seals to another in one round: the scheme's own bytes for each signature, in ascending order of purpose.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct Directs {
    #[n(0)]
    pub(crate) items: Vec<Direct>,
}

/// What one signer gives another for one signature.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct Direct {
    #[n(0)]
    pub(crate) purpose: Purpose,
    #[n(1)]
    pub(crate) bytes: Bytes,
}

/// Context under which a list of outputs is signed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OutputsText {
    /// Origin of the log.
    #[n(0)]
    pub origin: String,
    /// Key epoch.
    #[n(1)]
    pub epoch: u32,
    /// View.
    #[n(2)]
    pub view: View,
    /// Head.
    #[n(3)]
    pub head: Head,
    /// Attempt.
    #[n(4)]
    pub attempt: u16,
    /// Signer set, ascending.
    #[n(5)]
    pub signers: Vec<u16>,
    /// Round, from 1.
    #[n(6)]
    pub round: u8,
    /// SHA-256 of the canonical list.
    #[cbor(n(7), with = "cbor::hash")]
    pub list: Hash,
}

impl Statement for OutputsText {
    const DOMAIN: &'static [u8] = domain::OUTPUTS;
}

/// A list with its signature, as others get it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedOutputs {
    /// Who made it.
    #[n(0)]
    pub custodian: u16,
    /// Canonical [`Outputs`], byte for byte as sent.
    #[n(1)]
    pub list: Bytes,
    /// Identity signature over [`OutputsText`].
    #[n(2)]
    pub signature: Array<64>,
}

/// Answer to trip 1.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Voted {
    /// The vote.
    #[n(0)]
    pub vote: Vote,
    /// Round-1 outputs for every leaf that was judged good, and for the checkpoint.
    #[n(1)]
    pub outputs: SignedOutputs,
    /// Leaves that stay in the log as attempts without a token: index and code of the refusal.
    #[n(2)]
    pub refused: Vec<(u64, String)>,
    /// What is sealed to single other signers.
    #[n(3)]
    pub envelopes: Vec<Envelope>,
}

/// Trip 2: the certificate and the signers' round-1 lists. Trip k + 1 of longer schemes: their lists of round k.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Commit {
    /// Origin of the log.
    #[n(0)]
    pub origin: String,
    /// Certificate of the head.
    #[n(1)]
    pub certificate: QuorumCertificate,
    /// Attempt.
    #[n(2)]
    pub attempt: u16,
    /// Round whose lists these are, from 1.
    #[n(3)]
    pub round: u8,
    /// Exactly the signers' lists, ascending.
    #[n(4)]
    pub lists: Vec<SignedOutputs>,
    /// The envelopes that the others made for the recipient.
    #[n(5)]
    pub envelopes: Vec<Envelope>,
}

/// Answer to trip 2: the next round's outputs; for FROST the signature shares.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Committed {
    /// Outputs.
    #[n(0)]
    pub outputs: SignedOutputs,
    /// Tokens that are signed no more, because their window has passed.
    #[n(1)]
    pub refused: Vec<(u64, String)>,
    /// What is sealed to single other signers.
    #[n(2)]
    pub envelopes: Vec<Envelope>,
    /// Whose outputs this custodian could not use. Its word alone: it says whom to try without, and proves nothing.
    #[n(3)]
    pub accused: Vec<Accusation>,
}

/// One custodian's word against another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct Accusation {
    /// Who is accused.
    #[n(0)]
    pub custodian: u16,
    /// Whether the accuser will never sign with it again (see [`crate::saved::Ban`]).
    #[n(1)]
    pub banned: bool,
}

/// A refusal on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Refused {
    /// Code of the refusal.
    #[n(0)]
    pub code: String,
    /// View of the custodian that refuses, so that a deposed gateway learns of it.
    #[n(1)]
    pub view: View,
}

impl Refused {
    /// The refusal, if this program knows its code.
    pub fn refusal(&self) -> Option<Refusal> {
        Refusal::from_code(&self.code)
    }
}

canonical!(
    LogEntry => "log entry", Hello => "hello", Status => "status", AskPeer => "ask-peer", PeerStatement => "peer statement",
    SignedPeerStatement => "signed peer statement", Join => "join", EnterView => "enter-view", NewView => "new-view",
    SignedNewView => "signed new-view", Follow => "follow", Fetch => "fetch", Fetched => "fetched", Propose => "propose",
    SignedPropose => "signed propose", Outputs => "outputs", Directs => "directs", OutputsText => "outputs text", Voted => "voted",
    Commit => "commit", Committed => "committed", Refused => "refused",
);

/// Reads a message within its bound.
pub fn read<T: Canonical>(bytes: &[u8]) -> Result<T, Refusal> {
    if bytes.len() > MAX_MESSAGE {
        return Err(Refusal::Oversize);
    }
    T::from_canonical(bytes).map_err(|_| Refusal::Malformed)
}

/// Digest of a message, for recognising its retransmission.
pub fn digest(message: &impl Canonical) -> Hash {
    sha256(&[domain::MESSAGE, &message.to_canonical()])
}

/// Request paths on the link.
pub mod path {
    /// [`super::Hello`] → [`super::Status`]
    pub const HELLO: &str = "/v1/hello";
    /// [`super::AskPeer`] → [`super::SignedPeerStatement`]
    pub const PEER: &str = "/v1/peer";
    /// [`super::Join`] → [`super::Status`]
    pub const JOIN: &str = "/v1/join";
    /// [`super::EnterView`] → [`super::SignedNewView`]
    pub const NEW_VIEW: &str = "/v1/new-view";
    /// [`super::Follow`] → [`super::Status`]
    pub const FOLLOW: &str = "/v1/follow";
    /// [`super::Fetch`] → [`super::Fetched`]
    pub const FETCH: &str = "/v1/fetch";
    /// [`super::SignedPropose`] → [`super::Voted`]
    pub const PROPOSE: &str = "/v1/propose";
    /// [`super::Commit`] → [`super::Committed`]
    pub const COMMIT: &str = "/v1/commit";
    /// [`crate::dkg::Begin`] → [`crate::dkg::Given`]
    pub const DKG_BEGIN: &str = "/v1/dkg/begin";
    /// [`crate::dkg::Round`] → [`crate::dkg::Given`]
    pub const DKG_ROUND: &str = "/v1/dkg/round";
    /// [`crate::dkg::Round`] → [`crate::dkg::SignedFinished`]
    pub const DKG_FINISH: &str = "/v1/dkg/finish";
    /// Empty → `name value` lines, for the gateway's metrics.
    pub const METRICS: &str = "/v1/metrics";
}
