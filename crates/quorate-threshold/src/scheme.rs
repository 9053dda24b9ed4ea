//! The seam behind which threshold schemes stand. All messages are bytes; a scheme may take any number of rounds.

use crate::{
    group::{GroupKey, Identifier, Parameters},
    round::{RoundInputs, RoundOutput},
    session::{Session, SignError},
};
use rand_core::CryptoRngCore;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use zeroize::Zeroizing;

/// A threshold signature scheme.
pub trait Scheme: Send + Sync + Debug {
    /// Stable name, as it stands in group keys.
    fn name(&self) -> &'static str;

    /// Outputs per signer and signature: 2 for FROST (commitment, share), 3 for DKLs23.
    fn rounds(&self) -> u8;

    /// Most bytes that one signer gives another alone in one round of one signature: 0 for FROST. Whoever carries many signatures at
    /// once bounds them by this.
    fn direct_bytes_max(&self) -> usize {
        0
    }

    /// Outputs per participant and key generation: 2 for FROST (commitments, deals), 3 for DKLs23.
    fn dkg_rounds(&self) -> u8;

    /// Reads a share exactly as [`KeyShare::encode`] wrote it, and checks the secret against the group's verifying share.
    fn read_share(&self, bytes: &[u8]) -> Result<Box<dyn KeyShare>, BadShare>;

    /// Begins a DKG: the first state and the first output.
    fn begin_dkg(
        &self,
        context: &DkgContext,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Box<dyn DkgRound>, RoundOutput), DkgError>;

    /// Combines the signers' broadcasts, one map for each round, into a signature and verifies it as a stock verifier does. Names who
    /// cheated if it does not verify, where the scheme can tell. The identifiers must come from authenticated channels.
    fn aggregate(
        &self,
        group: &GroupKey,
        message: &[u8],
        outputs: &[BTreeMap<Identifier, Vec<u8>>],
    ) -> Result<Vec<u8>, AggregateError>;

    /// Verifies a signature of the group, as a stock verifier of the scheme's algorithm does.
    fn verify(&self, group: &GroupKey, message: &[u8], signature: &[u8]) -> Result<(), BadSignature>;
}

/// One participant's share of one key. Secret: no `Clone`, no serialisation but [`KeyShare::encode`] for the sealed file, and its
/// `Debug` shows nothing but the identifier.
pub trait KeyShare: Send + Sync + Debug {
    /// Whose share it is.
    fn identifier(&self) -> Identifier;

    /// The group it belongs to.
    fn group(&self) -> &GroupKey;

    /// Secret bytes, for the sealed file only. Wiped when dropped.
    fn encode(&self) -> Zeroizing<Vec<u8>>;

    /// Round 1 for one message and one signer set (at least t members of the group, this one among them), both bound from here
    /// on. `rng` must be the operating system's generator or one as good: a repeated nonce gives the share away.
    fn commit(
        &self,
        message: &[u8],
        signers: &BTreeSet<Identifier>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Opened, SignError>;
}

/// An opened session with its first output.
#[derive(Debug)]
pub struct Opened {
    /// Holds the nonces; consumed by [`crate::sign`].
    pub session: Session,
    /// What the other signers must see.
    pub output: RoundOutput,
}

/// What a DKG is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkgContext {
    /// t and n.
    pub parameters: Parameters,
    /// This participant, 1 to n.
    pub me: Identifier,
    /// 32 bytes that name tenant, key and attempt.
    pub session: [u8; 32],
}

/// A participant of a DKG between two rounds. Holds secrets, so it wipes itself on drop.
pub trait DkgRound: Send + Debug {
    /// Takes what all participants gave in the last round, the own broadcast included. Direct inputs must have come sealed and
    /// signed, else nobody can prove who sent a bad one.
    fn advance(self: Box<Self>, inputs: &RoundInputs) -> Result<DkgStep, DkgError>;
}

/// What a round of a DKG gives.
#[derive(Debug)]
pub enum DkgStep {
    /// Another round follows: the next state, and what the others must see.
    Continue(Box<dyn DkgRound>, RoundOutput),
    /// The key.
    Done(Dealt),
}

/// The outcome of a DKG.
#[derive(Debug)]
pub struct Dealt {
    /// The own share.
    pub share: Box<dyn KeyShare>,
    /// The public side; equal at all participants if the transcripts are.
    pub group: GroupKey,
    /// SHA-256 over session, scheme, parameters, all broadcasts and the group key. PedPop alone does not notice a dealer that
    /// equivocates: whoever uses the key must have compared this with every other participant first.
    pub transcript: [u8; 32],
}

/// A DKG failed. Its states are gone; begin another with a new session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DkgError {
    /// The context or the set of messages does not fit: the caller's or the relay's fault, no participant's.
    #[error("the set of DKG messages is not the expected one")]
    Unexpected,
    /// A participant's message is wrong.
    #[error("participant {} sent a wrong DKG message", .0.get())]
    Culprit(Identifier),
    /// The participants' messages contradict each other, and nothing in them says whose is wrong.
    #[error("the participants' DKG messages contradict each other")]
    Contradiction,
}

/// Stored share bytes are not a share of this scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key share of this scheme")]
pub struct BadShare;

/// A signature does not verify under the group key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify under the group key")]
pub struct BadSignature;

/// No signature came of the outputs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// These signers' outputs are wrong. Never empty.
    #[error("wrong outputs by {culprits:?}")]
    Misbehaved {
        /// The signers to blame, ascending.
        culprits: Vec<Identifier>,
    },
    /// The outputs make no signature, and nothing in them says whose is wrong: one of the signers lied in the last round. Whoever
    /// tries other signer sets finds out which.
    #[error("one of the signers' last outputs is wrong")]
    Unattributed,
    /// The maps are not one output of the same members, t at least, in every round: the coordinator's own mistake.
    #[error("the outputs are not one of each signer in each round")]
    Incomplete,
    /// The group key is of another scheme or contradicts itself: no signer is to blame.
    #[error("not a consistent group key of this scheme")]
    Group,
}
