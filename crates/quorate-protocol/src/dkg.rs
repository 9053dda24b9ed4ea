//! Distributed key generation of both keys, through a gateway that can stop it but neither read nor steer it (PROTOCOL §2).
//!
//! In every round each custodian signs its [`Part`]: what it says to all, and the digests of what it sealed to each. A part names the
//! digest of all parts of the rounds before, so that a custodian or gateway that shows different ones to different custodians is found
//! out in the next round, and the last round's by the transcript. There are as many rounds as the scheme with more of them takes: two
//! with FROST alone, three with DKLs23.

use crate::{
    domain,
    envelope::{Enclosed, Envelope},
    signed::Statement,
};
use minicbor::{Decode, Encode};
use quorate_rules::{
    body::KeysBody,
    canonical,
    cbor::{self, Array, Bytes},
};
use quorate_threshold::{Dealt, DkgRound};
use quorate_tlog::hash::Hash;

/// Begins an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Begin {
    /// Origin of the log.
    #[n(0)]
    pub origin: String,
    /// Attempt, chosen by the gateway.
    #[n(1)]
    pub attempt: Array<16>,
}

/// What one custodian says to all in one round.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Part {
    /// SHA-256 of genesis.
    #[cbor(n(0), with = "cbor::hash")]
    pub genesis: Hash,
    /// Attempt.
    #[n(1)]
    pub attempt: Array<16>,
    /// Round, from 1.
    #[n(2)]
    pub round: u8,
    /// Who says it.
    #[n(3)]
    pub from: u16,
    /// Digest of all parts of the rounds before; of nothing in round 1.
    #[cbor(n(4), with = "cbor::hash")]
    pub seen: Hash,
    /// For the token key; empty once that is made.
    #[n(5)]
    pub token: Bytes,
    /// For the log key; empty once that is made.
    #[n(6)]
    pub log: Bytes,
    /// What it sealed to single others.
    #[n(7)]
    pub enclosed: Vec<Enclosed>,
}

impl Statement for Part {
    const DOMAIN: &'static [u8] = domain::DKG_PART;
}

/// A part with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedPart {
    /// The part.
    #[n(0)]
    pub part: Part,
    /// Identity signature.
    #[n(1)]
    pub signature: Array<64>,
}

/// What one custodian gives in one round.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Given {
    /// For all.
    #[n(0)]
    pub part: SignedPart,
    /// For single others.
    #[n(1)]
    pub envelopes: Vec<Envelope>,
}

/// What all custodians gave in one round, as one of them gets it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Round {
    /// One part of every custodian, ascending.
    #[n(0)]
    pub parts: Vec<SignedPart>,
    /// The envelopes made for this one.
    #[n(1)]
    pub envelopes: Vec<Envelope>,
}

impl Round {
    /// What one custodian gets of what all gave.
    pub fn for_one(number: u16, given: &[Given]) -> Self {
        let envelopes = given.iter().flat_map(|given| &given.envelopes);
        Self {
            parts: given.iter().map(|given| given.part.clone()).collect(),
            envelopes: envelopes.filter(|envelope| envelope.to == number).cloned().collect(),
        }
    }
}

/// What a custodian certifies at the end.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Finished {
    /// SHA-256 of genesis.
    #[cbor(n(0), with = "cbor::hash")]
    pub genesis: Hash,
    /// Public keys and transcript, as they will stand in the log.
    #[n(1)]
    pub keys: KeysBody,
}

impl Statement for Finished {
    const DOMAIN: &'static [u8] = domain::DKG_TRANSCRIPT;
}

/// The outcome with the custodian's signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedFinished {
    /// The outcome.
    #[n(0)]
    pub finished: Finished,
    /// Identity signature.
    #[n(1)]
    pub signature: Array<64>,
}

/// What one custodian seals to another in one round, for both keys.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct PlainDeal {
    #[n(0)]
    pub(crate) token: Bytes,
    #[n(1)]
    pub(crate) log: Bytes,
}

canonical!(
    Begin => "dkg begin", Part => "dkg part", SignedPart => "signed dkg part", Given => "dkg given", Round => "dkg round",
    PlainDeal => "dkg plain deal", Finished => "dkg finished", SignedFinished => "signed dkg finished",
);

/// Largest broadcast of one key that is read, bytes.
pub(crate) const MAX_BROADCAST: usize = 16 * 1024;
/// Largest deal of one key that is read, bytes: the oblivious transfers of a DKLs23 key.
pub(crate) const MAX_DEAL: usize = 256 * 1024;

/// Where one key of a DKG stands.
pub(crate) enum Progress {
    /// It takes another round.
    Running(Box<dyn DkgRound>),
    /// It is made.
    Made(Dealt),
}

/// Where a custodian stands in a DKG; in memory only. A custodian that restarts begins a new attempt with the others.
pub struct Ceremony(pub(crate) Option<Stage>);

pub(crate) struct Stage {
    pub(crate) attempt: Array<16>,
    /// Round whose part was sent last.
    pub(crate) round: u8,
    /// Digest of all parts of the rounds before.
    pub(crate) seen: Hash,
    pub(crate) token: Progress,
    pub(crate) log: Progress,
    /// The part sent last.
    pub(crate) own: SignedPart,
}

impl Ceremony {
    pub(crate) const fn idle() -> Self {
        Self(None)
    }
}
