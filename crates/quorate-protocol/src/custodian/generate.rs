//! Key generation: this custodian's part of the three rounds of [`crate::dkg`].

use super::{Custodian, Peer};
use crate::{
    Committee,
    dkg::{
        Begin, Broadcast, Broadcasts, Ceremony, Deal, DealText, Deals, Finished, MAX_PACKAGE, PlainDeal,
        SignedBroadcast, SignedFinished, Stage,
    },
    domain, envelope,
    key_ring::{KeyRing, Shares},
    signed::Statement,
    step::{Change, SecretShares, Step},
};
use quorate_rules::{
    Refusal,
    body::KeysBody,
    cbor::{Array, Bytes, Canonical},
};
use quorate_threshold::{DkgContext, Identifier, Parameters};
use quorate_tlog::hash::{Hash, sha256};
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

fn context(committee: &Committee, me: u16, key: &[u8], attempt: &Array<16>) -> Result<DkgContext, Refusal> {
    let rule = committee.rule();
    let parameters = Parameters::new(rule.threshold(), rule.custodians()).map_err(|_| Refusal::WrongDkgMessage)?;
    let session = sha256(&[
        domain::DKG_SESSION,
        committee.genesis_hash().as_bytes(),
        key,
        &[0],
        &attempt.0,
    ]);
    let me = Identifier::new(me).map_err(|_| Refusal::WrongDkgMessage)?;
    Ok(DkgContext {
        parameters,
        me,
        session: *session.as_bytes(),
    })
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
        let for_key = |name| context(&self.committee, self.identity.number, name, &message.attempt);
        let schemes = self.keys.schemes();
        let wrong = |_| Refusal::WrongDkgMessage;
        let (token, token_broadcast) = schemes.token.begin_dkg(&for_key(b"token")?, rng).map_err(wrong)?;
        let (log, log_broadcast) = schemes.log.begin_dkg(&for_key(b"log")?, rng).map_err(wrong)?;
        let broadcast = Broadcast {
            genesis: self.committee.genesis_hash(),
            attempt: message.attempt,
            from: self.identity.number,
            token: Bytes(token_broadcast),
            log: Bytes(log_broadcast),
        };
        let signature = broadcast.sign(&self.identity.key);
        let own = SignedBroadcast { broadcast, signature };
        self.ceremony = Ceremony(Stage::Dealt {
            attempt: message.attempt,
            token,
            log,
            own: own.clone(),
        });
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
        let Stage::Dealt {
            attempt,
            token,
            log,
            own,
        } = std::mem::replace(&mut self.ceremony.0, Stage::Idle)
        else {
            return Err(Refusal::WrongDkgMessage);
        };
        let broadcasts = check_broadcasts(&self.committee, message, &attempt, &own)?;
        let by_key = |f: fn(&Broadcast) -> &Bytes| -> Result<BTreeMap<Identifier, Vec<u8>>, Refusal> {
            message
                .all
                .iter()
                .map(|signed| Ok((identifier(signed.broadcast.from)?, f(&signed.broadcast).0.clone())))
                .collect()
        };
        let (token, mut token_deals) = token
            .deal(&by_key(|b| &b.token)?)
            .map_err(|_| Refusal::WrongDkgMessage)?;
        let (log, mut log_deals) = log.deal(&by_key(|b| &b.log)?).map_err(|_| Refusal::WrongDkgMessage)?;
        let mut deals = Vec::new();
        for number in self
            .committee
            .numbers()
            .filter(|number| *number != self.identity.number)
        {
            let id = identifier(number)?;
            let take = |deals: &mut BTreeMap<Identifier, Zeroizing<Vec<u8>>>| {
                Bytes(deals.remove(&id).map(|deal| deal.to_vec()).unwrap_or_default())
            };
            let plain = PlainDeal {
                token: take(&mut token_deals),
                log: take(&mut log_deals),
            };
            deals.push(self.seal_deal(number, &attempt, broadcasts, plain, rng)?);
        }
        self.ceremony = Ceremony(Stage::Awaiting {
            attempt,
            token,
            log,
            broadcasts,
        });
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
        let envelope = envelope::seal(&recipient.envelope_key.0, &plain, &aad, rng).ok_or(Refusal::WrongDkgMessage)?;
        let text = DealText {
            genesis: self.committee.genesis_hash(),
            attempt: *attempt,
            from: self.identity.number,
            to,
            broadcasts,
            envelope: sha256(&[&envelope]),
        };
        let signature = text.sign(&self.identity.key);
        Ok(Deal {
            from: self.identity.number,
            to,
            envelope,
            signature,
        })
    }

    /// Round 3: opens the deals made for this custodian. The shares are sealed before the outcome is certified.
    pub fn dkg_finish(&mut self, peer: Peer, message: &Deals) -> Result<Step<SignedFinished>, Refusal> {
        self.check_peer(peer, self.committee.origin())?;
        let Stage::Awaiting {
            attempt,
            token,
            log,
            broadcasts,
        } = std::mem::replace(&mut self.ceremony.0, Stage::Idle)
        else {
            return Err(Refusal::WrongDkgMessage);
        };
        if message.attempt != attempt {
            return Err(Refusal::WrongDkgMessage);
        }
        let (token_deals, log_deals) = self.open_deals(message, &attempt, broadcasts)?;
        let token = token.finish(token_deals).map_err(|_| Refusal::WrongDkgMessage)?;
        let log = log.finish(log_deals).map_err(|_| Refusal::WrongDkgMessage)?;
        let transcript = *sha256(&[
            domain::DKG_TRANSCRIPT,
            &token.transcript,
            &log.transcript,
            broadcasts.as_bytes(),
        ])
        .as_bytes();
        let key = |bytes: &[u8]| bytes.try_into().map(Array).map_err(|_| Refusal::WrongDkgMessage);
        let keys = KeysBody {
            epoch: 1,
            token_group: Bytes(token.group.encode()),
            log_group: Bytes(log.group.encode()),
            token_key: key(token.group.verifying_key())?,
            log_key: key(log.group.verifying_key())?,
            transcript: Array(transcript),
        };
        let shares = Shares {
            token: token.share,
            log: log.share,
        };
        let bytes = KeyRing::encode(&shares);
        self.keys.add(transcript, shares);
        let finished = Finished {
            genesis: self.committee.genesis_hash(),
            keys,
        };
        let signature = finished.sign(&self.identity.key);
        let change = Change {
            seal: Some(SecretShares { transcript, bytes }),
            ..Change::default()
        };
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
            let plain = self
                .identity
                .envelope
                .open(&deal.envelope, &aad)
                .ok_or(Refusal::WrongDkgMessage)?;
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

type OpenedDeals = (
    BTreeMap<Identifier, Zeroizing<Vec<u8>>>,
    BTreeMap<Identifier, Zeroizing<Vec<u8>>>,
);

fn identifier(number: u16) -> Result<Identifier, Refusal> {
    Identifier::new(number).map_err(|_| Refusal::WrongDkgMessage)
}

fn deal_context(committee: &Committee, attempt: &Array<16>, from: u16, to: u16) -> Vec<u8> {
    [
        committee.genesis_hash().as_bytes(),
        &attempt.0[..],
        &from.to_be_bytes(),
        &to.to_be_bytes(),
    ]
    .concat()
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
