//! Distributed key generation of both keys, through a gateway that can stop it but neither read nor steer it (PROTOCOL §2).
//!
//! Round 1: every custodian signs its broadcasts. Round 2: having seen all of them, it seals one deal to each other custodian,
//! bound to the digest of all broadcasts that it saw, so that a dealer or gateway that shows different broadcasts to different
//! custodians is found out. Round 3: it opens the deals made for it and certifies the transcript.

use crate::{domain, signed::Statement};
use minicbor::{Decode, Encode};
use quorate_rules::{
    body::KeysBody,
    canonical,
    cbor::{self, Array, Bytes},
};
use quorate_threshold::{DkgDealing, DkgRound};
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

/// One custodian's public round-1 packages for both keys.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Broadcast {
    /// SHA-256 of genesis.
    #[cbor(n(0), with = "cbor::hash")]
    pub genesis: Hash,
    /// Attempt.
    #[n(1)]
    pub attempt: Array<16>,
    /// Dealer.
    #[n(2)]
    pub from: u16,
    /// Package for the token key.
    #[n(3)]
    pub token: Bytes,
    /// Package for the log key.
    #[n(4)]
    pub log: Bytes,
}

impl Statement for Broadcast {
    const DOMAIN: &'static [u8] = domain::DKG_BROADCAST;
}

/// A broadcast with its dealer's signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedBroadcast {
    /// The broadcast.
    #[n(0)]
    pub broadcast: Broadcast,
    /// Identity signature.
    #[n(1)]
    pub signature: Array<64>,
}

/// All broadcasts, ascending by dealer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Broadcasts {
    /// One of every custodian.
    #[n(0)]
    pub all: Vec<SignedBroadcast>,
}

/// What a dealer signs over one sealed deal.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DealText {
    /// SHA-256 of genesis.
    #[cbor(n(0), with = "cbor::hash")]
    pub genesis: Hash,
    /// Attempt.
    #[n(1)]
    pub attempt: Array<16>,
    /// Dealer.
    #[n(2)]
    pub from: u16,
    /// Recipient.
    #[n(3)]
    pub to: u16,
    /// Digest of all broadcasts that the dealer saw.
    #[cbor(n(4), with = "cbor::hash")]
    pub broadcasts: Hash,
    /// SHA-256 of the sealed deal.
    #[cbor(n(5), with = "cbor::hash")]
    pub envelope: Hash,
}

impl Statement for DealText {
    const DOMAIN: &'static [u8] = domain::DKG_DEAL;
}

/// A sealed deal with its dealer's signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Deal {
    /// Dealer.
    #[n(0)]
    pub from: u16,
    /// Recipient.
    #[n(1)]
    pub to: u16,
    /// HPKE envelope.
    #[n(2)]
    pub envelope: Bytes,
    /// Identity signature over [`DealText`].
    #[n(3)]
    pub signature: Array<64>,
}

/// Deals: those that one dealer made, or those made for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Deals {
    /// Attempt.
    #[n(0)]
    pub attempt: Array<16>,
    /// The deals.
    #[n(1)]
    pub deals: Vec<Deal>,
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

/// One dealer's deals of both keys to one recipient, before sealing.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct PlainDeal {
    #[n(0)]
    pub(crate) token: Bytes,
    #[n(1)]
    pub(crate) log: Bytes,
}

canonical!(
    Begin => "dkg begin", Broadcast => "dkg broadcast", SignedBroadcast => "signed dkg broadcast",
    Broadcasts => "dkg broadcasts", DealText => "dkg deal text", Deal => "dkg deal", Deals => "dkg deals",
    PlainDeal => "dkg plain deal", Finished => "dkg finished", SignedFinished => "signed dkg finished",
);

/// Largest package or deal of one key that is read, bytes.
pub(crate) const MAX_PACKAGE: usize = 16 * 1024;

/// Where a custodian stands in a DKG; in memory only. A custodian that restarts begins a new attempt with the others.
pub struct Ceremony(pub(crate) Stage);

pub(crate) enum Stage {
    Idle,
    Dealt {
        attempt: Array<16>,
        token: Box<dyn DkgRound>,
        log: Box<dyn DkgRound>,
        own: SignedBroadcast,
    },
    Awaiting {
        attempt: Array<16>,
        token: Box<dyn DkgDealing>,
        log: Box<dyn DkgDealing>,
        broadcasts: Hash,
    },
}

impl Ceremony {
    pub(crate) const fn idle() -> Self {
        Self(Stage::Idle)
    }
}
