//! The seam behind which threshold schemes stand. All messages are bytes; a scheme may take any number of rounds.

use crate::{
    group::{GroupKey, Identifier, Parameters},
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

    /// Outputs per signer and signature: 2 for FROST (commitment, share).
    fn rounds(&self) -> u8;

    /// Reads a share as [`KeyShare::encode`] wrote it.
    fn read_share(&self, bytes: &[u8]) -> Result<Box<dyn KeyShare>, BadShare>;

    /// Begins a DKG: the first state, and the package to broadcast.
    fn begin_dkg(
        &self,
        context: &DkgContext,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Box<dyn DkgRound>, Vec<u8>), DkgError>;

    /// Combines the signers' outputs, one map for each round, into a signature and verifies it. Names who cheated if it does not
    /// verify.
    fn aggregate(
        &self,
        group: &GroupKey,
        message: &[u8],
        outputs: &[BTreeMap<Identifier, Vec<u8>>],
    ) -> Result<Vec<u8>, AggregateError>;
}

/// One participant's share of one key. Secret: no `Clone`, no serialisation but [`KeyShare::encode`] for the sealed file.
pub trait KeyShare: Send + Sync {
    /// Whose share it is.
    fn identifier(&self) -> Identifier;

    /// The group it belongs to.
    fn group(&self) -> &GroupKey;

    /// Secret bytes, for the sealed file only.
    fn encode(&self) -> Zeroizing<Vec<u8>>;

    /// Round 1 for one message and one signer set, both bound from here on.
    fn commit(
        &self,
        message: &[u8],
        signers: &BTreeSet<Identifier>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Opened, SignError>;
}

/// An opened session with its first output.
pub struct Opened {
    /// Holds the nonces; consumed by [`crate::sign`].
    pub session: Session,
    /// What the other signers must see.
    pub output: Vec<u8>,
}

/// What a DKG is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkgContext {
    /// t and n.
    pub parameters: Parameters,
    /// This participant.
    pub me: Identifier,
    /// 32 bytes that name tenant, key and attempt.
    pub session: [u8; 32],
}

/// A participant that has broadcast and waits for all broadcasts.
pub trait DkgRound: Send {
    /// Takes all broadcasts, the own one included; returns one secret deal for every other participant. The deals must be sealed
    /// to their recipients.
    fn deal(self: Box<Self>, broadcasts: &BTreeMap<Identifier, Vec<u8>>) -> Result<DealsMade, DkgError>;
}

/// The next state, and the secret deals by recipient.
pub type DealsMade = (Box<dyn DkgDealing>, BTreeMap<Identifier, Zeroizing<Vec<u8>>>);

/// A participant that has dealt and waits for the deals made for it.
pub trait DkgDealing: Send {
    /// Takes the deals of all others.
    fn finish(self: Box<Self>, deals: BTreeMap<Identifier, Zeroizing<Vec<u8>>>) -> Result<Dealt, DkgError>;
}

/// The outcome of a DKG.
pub struct Dealt {
    /// The own share.
    pub share: Box<dyn KeyShare>,
    /// The public side; equal at all participants exactly if the transcripts are.
    pub group: GroupKey,
    /// Hash over context, all broadcasts and the group key. PedPop alone does not notice a dealer that equivocates: whoever uses the
    /// key must have compared this first.
    pub transcript: [u8; 32],
}

/// A DKG failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DkgError {
    /// The context or the set of messages does not fit.
    #[error("the set of DKG messages is not the expected one")]
    Unexpected,
    /// A participant's message is wrong.
    #[error("participant {} sent a wrong DKG message", .0.get())]
    Culprit(Identifier),
}

/// Stored share bytes are not a share of this scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key share of this scheme")]
pub struct BadShare;

/// No signature came of the outputs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// These signers' outputs are wrong.
    #[error("wrong outputs by {culprits:?}")]
    Misbehaved {
        /// The signers to blame.
        culprits: Vec<Identifier>,
    },
    /// The maps are not one output of the same t signers in every round.
    #[error("the outputs are not one of each signer in each round")]
    Incomplete,
}
