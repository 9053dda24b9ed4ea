//! Distributed key generation of both keys, through a gateway that can stop it but neither read nor steer it (PROTOCOL §2).
//!
//! Round 1: every custodian signs its broadcasts. Round 2: having seen all of them, it seals one deal to each other custodian,
//! bound to the digest of all broadcasts that it saw, so that a dealer or gateway that shows different broadcasts to different
//! custodians is found out. Round 3: it opens the deals made for it and certifies the transcript.

use crate::{
    Committee,
    custodian::{Custodian, Peer},
    domain,
    envelope::{self},
    key_ring::{KeyRing, Shares},
    signed::Statement,
    step::{Change, SecretShares, Step},
};
use minicbor::{Decode, Encode};
use quorate_rules::{
    Refusal,
    body::KeysBody,
    canonical,
    cbor::{self, Array, Bytes, Canonical},
};
use quorate_threshold::{DkgContext, DkgDealing, DkgRound, Identifier, Parameters};
use quorate_tlog::hash::{Hash, sha256};
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

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

#[derive(Encode, Decode)]
#[cbor(map)]
struct PlainDeal {
    #[n(0)]
    token: Bytes,
    #[n(1)]
    log: Bytes,
}

canonical!(
    Begin => "dkg begin", Broadcast => "dkg broadcast", SignedBroadcast => "signed dkg broadcast",
    Broadcasts => "dkg broadcasts", DealText => "dkg deal text", Deal => "dkg deal", Deals => "dkg deals",
    PlainDeal => "dkg plain deal", Finished => "dkg finished", SignedFinished => "signed dkg finished",
);

/// Largest package or deal of one key that is read, bytes.
const MAX_PACKAGE: usize = 16 * 1024;

/// Where a custodian stands in a DKG; in memory only. A custodian that restarts begins a new attempt with the others.
pub struct Ceremony(Stage);

enum Stage {
    Idle,
    Dealt { attempt: Array<16>, token: Box<dyn DkgRound>, log: Box<dyn DkgRound>, own: SignedBroadcast },
    Awaiting { attempt: Array<16>, token: Box<dyn DkgDealing>, log: Box<dyn DkgDealing>, broadcasts: Hash, own: PlainDeal },
}

impl Ceremony {
    pub(crate) const fn idle() -> Self {
        Self(Stage::Idle)
    }
}

fn context(committee: &Committee, me: u16, key: &[u8], attempt: &Array<16>) -> Result<DkgContext, Refusal> {
    let rule = committee.rule();
    let parameters =
        Parameters::new(rule.threshold(), rule.custodians()).map_err(|_| Refusal::WrongDkgMessage)?;
    let session = sha256(&[domain::DKG_SESSION, committee.genesis_hash().as_bytes(), key, &[0], &attempt.0]);
    let me = Identifier::new(me).map_err(|_| Refusal::WrongDkgMessage)?;
    Ok(DkgContext { parameters, me, session: *session.as_bytes() })
}

impl Custodian {
    /// Round 1. Only while the log is empty: later keys come by decision.
    pub fn dkg_begin(
        &mut self,
        peer: Peer,
        message: &Begin,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<SignedBroadcast, Refusal> {
        self.check_peer(peer, &message.origin)?;
        if self.certified().head().size != 0 {
            return Err(Refusal::WrongDkgMessage);
        }
        let begin = |name: &[u8], scheme: &dyn quorate_threshold::Scheme, rng: &mut _| {
            let context = context(&self.committee, self.identity.number, name, &message.attempt)?;
            scheme.begin_dkg(&context, rng).map_err(|_| Refusal::WrongDkgMessage)
        };
        let schemes = self.keys.schemes();
        let (token, token_broadcast) = begin(b"token", schemes.token.as_ref(), rng)?;
        let (log, log_broadcast) = begin(b"log", schemes.log.as_ref(), rng)?;
        let broadcast = Broadcast {
            genesis: self.committee.genesis_hash(),
            attempt: message.attempt,
            from: self.identity.number,
            token: Bytes(token_broadcast),
            log: Bytes(log_broadcast),
        };
        let signature = broadcast.sign(&self.identity.key);
        let own = SignedBroadcast { broadcast, signature };
        self.ceremony = Ceremony(Stage::Dealt { attempt: message.attempt, token, log, own: own.clone() });
        Ok(own)
    }

    /// Round 2: takes all broadcasts, seals one deal to each other custodian.
    pub fn dkg_deal(
        &mut self,
        peer: Peer,
        message: &Broadcasts,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Deals, Refusal> {
        self.check_peer(peer, self.committee.origin())?;
        let Stage::Dealt { attempt, token, log, own } = std::mem::replace(&mut self.ceremony.0, Stage::Idle) else {
            return Err(Refusal::WrongDkgMessage);
        };
        let broadcasts = check_broadcasts(&self.committee, message, &attempt, &own)?;
        let by_key = |f: fn(&Broadcast) -> &Bytes| -> Result<BTreeMap<Identifier, Vec<u8>>, Refusal> {
            message.all.iter().map(|signed| Ok((identifier(signed.broadcast.from)?, f(&signed.broadcast).0.clone()))).collect()
        };
        let (token, mut token_deals) = token.deal(&by_key(|b| &b.token)?).map_err(|_| Refusal::WrongDkgMessage)?;
        let (log, mut log_deals) = log.deal(&by_key(|b| &b.log)?).map_err(|_| Refusal::WrongDkgMessage)?;
        let mut deals = Vec::new();
        let mut own = PlainDeal { token: Bytes::default(), log: Bytes::default() };
        for number in self.committee.numbers() {
            let id = identifier(number)?;
            let take = |deals: &mut BTreeMap<Identifier, Zeroizing<Vec<u8>>>| {
                Bytes(deals.remove(&id).map(|deal| deal.to_vec()).unwrap_or_default())
            };
            let plain = PlainDeal { token: take(&mut token_deals), log: take(&mut log_deals) };
            if number == self.identity.number {
                own = plain;
            } else {
                deals.push(self.seal_deal(number, &attempt, broadcasts, plain, rng)?);
            }
        }
        self.ceremony = Ceremony(Stage::Awaiting { attempt, token, log, broadcasts, own });
        Ok(Deals { attempt, deals })
    }

    fn seal_deal(
        &self,
        to: u16,
        attempt: &Array<16>,
        broadcasts: Hash,
        plain: PlainDeal,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Deal, Refusal> {
        let recipient = self.committee.custodian(to).ok_or(Refusal::WrongDkgMessage)?;
        let plain = Zeroizing::new(plain.to_canonical());
        let aad = deal_context(&self.committee, attempt, self.identity.number, to);
        let envelope =
            envelope::seal(&recipient.envelope_key.0, &plain, &aad, rng).ok_or(Refusal::WrongDkgMessage)?;
        let text = DealText {
            genesis: self.committee.genesis_hash(),
            attempt: *attempt,
            from: self.identity.number,
            to,
            broadcasts,
            envelope: sha256(&[&envelope]),
        };
        let signature = text.sign(&self.identity.key);
        Ok(Deal { from: self.identity.number, to, envelope, signature })
    }

    /// Round 3: opens the deals made for this custodian. The shares are sealed before the outcome is certified.
    pub fn dkg_finish(&mut self, peer: Peer, message: &Deals) -> Result<Step<SignedFinished>, Refusal> {
        self.check_peer(peer, self.committee.origin())?;
        let Stage::Awaiting { attempt, token, log, broadcasts, own: _ } =
            std::mem::replace(&mut self.ceremony.0, Stage::Idle)
        else {
            return Err(Refusal::WrongDkgMessage);
        };
        if message.attempt != attempt {
            return Err(Refusal::WrongDkgMessage);
        }
        let (token_deals, log_deals) = self.open_deals(message, &attempt, broadcasts)?;
        let token = token.finish(token_deals).map_err(|_| Refusal::WrongDkgMessage)?;
        let log = log.finish(log_deals).map_err(|_| Refusal::WrongDkgMessage)?;
        let transcript =
            *sha256(&[domain::DKG_TRANSCRIPT, &token.transcript, &log.transcript, broadcasts.as_bytes()]).as_bytes();
        let key = |bytes: &[u8]| bytes.try_into().map(Array).map_err(|_| Refusal::WrongDkgMessage);
        let keys = KeysBody {
            epoch: 1,
            token_group: Bytes(token.group.encode()),
            log_group: Bytes(log.group.encode()),
            token_key: key(token.group.verifying_key())?,
            log_key: key(log.group.verifying_key())?,
            transcript: Array(transcript),
        };
        let shares = Shares { token: token.share, log: log.share };
        let bytes = KeyRing::encode(&shares);
        self.keys.add(transcript, shares);
        let finished = Finished { genesis: self.committee.genesis_hash(), keys };
        let signature = finished.sign(&self.identity.key);
        let change = Change { seal: Some(SecretShares { transcript, bytes }), ..Change::default() };
        Ok(Step::new(change, SignedFinished { finished, signature }))
    }

    fn open_deals(&self, message: &Deals, attempt: &Array<16>, broadcasts: Hash) -> Result<OpenedDeals, Refusal> {
        let (mut token, mut log) = (BTreeMap::new(), BTreeMap::new());
        for deal in &message.deals {
            let text = DealText {
                genesis: self.committee.genesis_hash(),
                attempt: *attempt,
                from: deal.from,
                to: deal.to,
                broadcasts,
                envelope: sha256(&[&deal.envelope]),
            };
            let key = self.committee.identity(deal.from).ok_or(Refusal::WrongDkgMessage)?;
            let for_me = deal.to == self.identity.number && deal.from != self.identity.number;
            if !for_me || !text.is_signed_by(key, &deal.signature) {
                return Err(Refusal::WrongDkgMessage);
            }
            let aad = deal_context(&self.committee, attempt, deal.from, deal.to);
            let plain = self.identity.envelope.open(&deal.envelope, &aad).ok_or(Refusal::WrongDkgMessage)?;
            let plain = PlainDeal::from_canonical(&plain).map_err(|_| Refusal::WrongDkgMessage)?;
            let from = identifier(deal.from)?;
            if token.insert(from, Zeroizing::new(plain.token.0)).is_some() {
                return Err(Refusal::WrongDkgMessage);
            }
            log.insert(from, Zeroizing::new(plain.log.0));
        }
        Ok((token, log))
    }
}

type OpenedDeals = (BTreeMap<Identifier, Zeroizing<Vec<u8>>>, BTreeMap<Identifier, Zeroizing<Vec<u8>>>);

fn identifier(number: u16) -> Result<Identifier, Refusal> {
    Identifier::new(number).map_err(|_| Refusal::WrongDkgMessage)
}

fn deal_context(committee: &Committee, attempt: &Array<16>, from: u16, to: u16) -> Vec<u8> {
    [committee.genesis_hash().as_bytes(), &attempt.0[..], &from.to_be_bytes(), &to.to_be_bytes()].concat()
}

/// Exactly one broadcast of every custodian, signed, of this attempt, the own one as it was sent. Returns their digest.
fn check_broadcasts(
    committee: &Committee,
    message: &Broadcasts,
    attempt: &Array<16>,
    own: &SignedBroadcast,
) -> Result<Hash, Refusal> {
    let dealers: Vec<u16> = message.all.iter().map(|signed| signed.broadcast.from).collect();
    if dealers != committee.numbers().collect::<Vec<_>>() || !message.all.contains(own) {
        return Err(Refusal::WrongDkgMessage);
    }
    for signed in &message.all {
        let broadcast = &signed.broadcast;
        let key = committee.identity(broadcast.from).ok_or(Refusal::WrongDkgMessage)?;
        let sound = broadcast.genesis == committee.genesis_hash()
            && broadcast.attempt == *attempt
            && broadcast.token.len() <= MAX_PACKAGE
            && broadcast.log.len() <= MAX_PACKAGE
            && broadcast.is_signed_by(key, &signed.signature);
        if !sound {
            return Err(Refusal::WrongDkgMessage);
        }
    }
    Ok(sha256(&[domain::DKG_BROADCASTS, &message.to_canonical()]))
}
