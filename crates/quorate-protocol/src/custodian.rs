//! One custodian, without its disk, clock and link: what it answers to each message, and what must be durable first.
//!
//! Every method takes what the outside world contributes (`now_ms`, `rng`, the peer's key) and returns a [`Step`], which gives
//! up the answer only once the change is written. A method that refuses has changed nothing.

mod commit;
mod follow;
mod generate;
mod join;
mod propose;
mod restore;

use crate::{
    Committee, Head, Quorum, QuorumCertificate, View,
    attempt::{Answered, OpenAttempt, Signer},
    batch::Seen,
    dkg::Ceremony,
    envelope::EnvelopeKey,
    equivocation::Equivocation,
    key_ring::KeyRing,
    message::{EnterView, Hello, LogEntry, NewView, SignedNewView, Standing, Status},
    saved::{Ban, HeldVote, LastVote, SavedState, SavedTip},
    signed::Statement,
    step::{Change, Step},
    tip::Tip,
    vote::rank,
};
use ed25519_dalek::SigningKey;
use quorate_rules::{
    Refusal, Registry,
    cbor::{Array, Canonical},
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use restore::{Remembered, Restored, Saved};

/// How far a batch's time may be from this custodian's clock, milliseconds; also how long after it tokens are still signed.
pub const CLOCK_MS: u64 = 30_000;
/// Identifiers and heads are remembered at least this long after their batch: the longest life of evidence, which is that of an
/// anchor, and the leeways on both sides.
pub const REPLAY_WINDOW_MS: u64 = quorate_rules::anchor::WINDOW_MS + 2 * CLOCK_MS;
/// Most attempts whose sessions are open at once.
const MAX_ATTEMPTS: usize = 8;

/// Who this custodian is: its number and its secret keys, one per role.
pub struct Identity {
    /// Number in genesis, from 1.
    pub number: u16,
    /// Ed25519: votes and statements.
    pub key: SigningKey,
    /// X25519: envelopes from other custodians.
    pub envelope: EnvelopeKey,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity {{ number: {}, .. }}", self.number)
    }
}

/// A peer that was authenticated by its link key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub [u8; 32]);

/// Checks that a simulator switches off to see that it notices: all on, unless [`Custodian::danger_switch_off`] is called, which no
/// program does.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switches {
    /// Answers in views lower than its own.
    pub any_view: bool,
    /// Takes any certificate whose votes verify, whoever cast them and however often.
    pub any_voters: bool,
    /// Takes leaves as they are proposed.
    pub any_leaf: bool,
}

/// One custodian.
pub struct Custodian {
    switches: Switches,
    identity: Identity,
    committee: Committee,
    keys: KeyRing,
    standing: Standing,
    incarnation: u64,
    challenge: [u8; 32],
    view: View,
    last_vote: Option<LastVote>,
    lock: Option<QuorumCertificate>,
    /// Tip below the certified one: a lock can still be overtaken by one batch, but never what lies below it.
    settled: Tip,
    /// Tip under the lock.
    certified: Tip,
    /// Tip that was voted for and not yet seen under a certificate.
    tentative: Option<Tip>,
    /// The registry as it was last written, the settled tip's.
    saved_registry: Arc<Registry>,
    newest: BTreeMap<u16, HeldVote>,
    seen: Seen,
    attempts: BTreeMap<(Head, u16), (Answered, Option<OpenAttempt>)>,
    ceremony: Ceremony,
    equivocation: Option<Equivocation>,
    bans: Vec<Ban>,
}

impl Custodian {
    /// Its number.
    pub const fn number(&self) -> u16 {
        self.identity.number
    }

    fn signer(&self) -> Signer<'_> {
        Signer {
            number: self.identity.number,
            identity: &self.identity.key,
            envelope: &self.identity.envelope,
            committee: &self.committee,
        }
    }

    /// The committee that it belongs to.
    pub const fn committee(&self) -> &Committee {
        &self.committee
    }

    /// Whether it votes.
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// View that it has entered.
    pub const fn view(&self) -> View {
        self.view
    }

    /// Proof that two certificates exclude each other, once one was seen: whoever runs this custodian must stop it.
    pub const fn equivocation(&self) -> Option<&Equivocation> {
        self.equivocation.as_ref()
    }

    /// Its lock.
    pub const fn lock(&self) -> Option<&QuorumCertificate> {
        self.lock.as_ref()
    }

    /// Tip under the lock.
    pub const fn certified(&self) -> &Tip {
        &self.certified
    }

    /// Newest head that it voted for, or its certified head.
    pub fn highest(&self) -> Head {
        self.newest_tip().head()
    }

    /// How many sessions with nonces are open, for alarms and tests.
    pub fn open_attempts(&self) -> usize {
        self.attempts.values().filter(|(_, open)| open.is_some()).count()
    }

    #[doc(hidden)]
    pub const fn danger_switch_off(&mut self, switches: Switches) {
        self.switches = switches;
    }

    /// Verifies a certificate. One that excludes the lock is kept as a proof, and nothing follows from it.
    fn quorum(&mut self, certificate: &QuorumCertificate) -> Result<Quorum, Refusal> {
        let quorum = if self.switches.any_voters {
            certificate.danger_verify_votes(&self.committee)
        } else {
            certificate.verify(&self.committee)
        }?;
        let proof = self
            .lock
            .as_ref()
            .and_then(|lock| Equivocation::between(lock, certificate));
        if proof.is_some() {
            self.equivocation = proof;
            return Err(Refusal::Equivocation);
        }
        Ok(quorum)
    }

    /// Whether a peer is an enrolled gateway: nobody else ever gets a share.
    pub fn is_gateway(&self, peer: Peer) -> bool {
        let registry = self.newest_tip().registry();
        let mut enrolled = registry.gateways().peekable();
        if enrolled.peek().is_some() {
            enrolled.any(|gateway| gateway.link_key.0 == peer.0)
        } else {
            self.committee
                .body()
                .gateways
                .iter()
                .any(|gateway| gateway.link_key.0 == peer.0)
        }
    }

    /// Answers `hello`.
    pub fn hello(&self, peer: Peer, message: &Hello) -> Result<Status, Refusal> {
        self.check_peer(peer, &message.origin)?;
        Ok(self.status())
    }

    /// Where this custodian stands.
    pub fn status(&self) -> Status {
        Status {
            custodian: self.identity.number,
            standing: self.standing,
            incarnation: self.incarnation,
            view: self.view,
            settled: self.settled.head(),
            certified: self.certified.head(),
            lock: self.lock.clone(),
            epoch: self.epoch(),
            challenge: Array(self.challenge),
            transcripts: self.keys.waiting().map(Array).collect(),
            banned: self.banned().collect(),
        }
    }

    /// Custodians with which this one never signs again under the certified keys.
    pub fn banned(&self) -> impl Iterator<Item = u16> {
        let transcript = self.certified.registry().keys().map(|keys| keys.transcript);
        let current = self.bans.iter().filter(move |ban| Some(ban.transcript) == transcript);
        current.map(|ban| ban.custodian)
    }

    /// Notes bans; whether any is new.
    fn ban(&mut self, cheats: impl Iterator<Item = u16>, head: Head) -> bool {
        let Some(transcript) = self.certified.registry().keys().map(|keys| keys.transcript) else {
            return false;
        };
        let known = self.bans.len();
        for custodian in cheats {
            if !self
                .bans
                .iter()
                .any(|ban| ban.custodian == custodian && ban.transcript == transcript)
            {
                self.bans.push(Ban {
                    custodian,
                    transcript,
                    head,
                });
            }
        }
        self.bans.len() > known
    }

    /// Enters a higher view and states the highest certificate held. The view is durable before the statement leaves.
    pub fn enter_view(&mut self, peer: Peer, message: &EnterView) -> Result<Step<SignedNewView>, Refusal> {
        self.check_peer(peer, &message.origin)?;
        self.check_votes()?;
        if message.view <= self.view {
            return Err(Refusal::LowerView);
        }
        self.view = message.view;
        self.attempts.clear();
        let statement = NewView {
            origin: self.committee.origin().to_owned(),
            view: self.view,
            custodian: self.identity.number,
            certificate: self.lock.clone(),
            head: self.highest(),
        };
        let signature = statement.sign(&self.identity.key);
        Ok(Step::new(self.state_change(), SignedNewView { statement, signature }))
    }

    /// Drops sessions older than the clock window, so that nonces live for seconds.
    pub fn expire_attempts(&mut self, now_ms: u64) {
        self.attempts.retain(|_, (_, open)| {
            open.as_ref()
                .is_none_or(|open| now_ms.saturating_sub(open.opened_ms()) <= CLOCK_MS)
        });
    }

    /// Drops every session: the link was cut.
    pub fn drop_attempts(&mut self) {
        self.attempts.clear();
    }

    fn check_peer(&self, peer: Peer, origin: &str) -> Result<(), Refusal> {
        if !self.is_gateway(peer) {
            return Err(Refusal::NotTheGateway);
        }
        if origin == self.committee.origin() {
            Ok(())
        } else {
            Err(Refusal::WrongOrigin)
        }
    }

    const fn check_votes(&self) -> Result<(), Refusal> {
        match self.standing {
            Standing::Voting => Ok(()),
            Standing::Joining => Err(Refusal::Joining),
            Standing::Amnesic => Err(Refusal::Amnesic),
        }
    }

    fn newest_tip(&self) -> &Tip {
        self.tentative.as_ref().unwrap_or(&self.certified)
    }

    fn epoch(&self) -> u32 {
        self.certified.registry().keys().map_or(0, |keys| keys.epoch)
    }

    fn lock_rank(&self) -> (View, u64) {
        rank(self.lock.as_ref())
    }

    /// Raises the lock to a verified certificate of the tentative or certified head, and remembers its votes.
    fn raise_lock(&mut self, certificate: &QuorumCertificate) -> bool {
        self.remember_votes(certificate);
        let raised = certificate.rank() > self.lock_rank();
        if let Some(tip) = self.tentative.take_if(|tip| tip.head() == certificate.head) {
            self.settled = std::mem::replace(&mut self.certified, tip);
        }
        if raised {
            self.lock = Some(certificate.clone());
        }
        raised
    }

    fn remember_votes(&mut self, certificate: &QuorumCertificate) {
        for vote in &certificate.votes {
            let held = HeldVote {
                custodian: vote.custodian,
                view: certificate.view,
                head: certificate.head,
            };
            let newer = self
                .newest
                .get(&vote.custodian)
                .is_none_or(|old| (held.view, held.head.size) > (old.view, old.head.size));
            if newer {
                self.newest.insert(vote.custodian, held);
            }
        }
    }

    /// The state record, and the registry record if the settled tip's registry is not the written one.
    fn state_change(&mut self) -> Change {
        let registry = self.settled.registry_arc();
        let stale = !Arc::ptr_eq(&registry, &self.saved_registry) && *registry != *self.saved_registry;
        let record = stale.then(|| registry.to_saved());
        self.saved_registry = registry;
        Change {
            state: Some(self.saved_state().to_canonical()),
            registry: record,
            ..Change::default()
        }
    }

    fn saved_state(&self) -> SavedState {
        SavedState {
            version: 1,
            incarnation: self.incarnation,
            view: self.view,
            last_vote: self.last_vote,
            lock: self.lock.clone(),
            settled: SavedTip::from(&self.settled),
            certified: SavedTip::from(&self.certified),
            tentative: self.tentative.as_ref().map(|tip| tip.head().size),
            newest: self.newest.values().cloned().collect(),
            amnesic: self.standing == Standing::Amnesic,
            bans: self.bans.clone(),
        }
    }
}

fn encoded(first: u64, entries: &[LogEntry]) -> Vec<(u64, Vec<u8>)> {
    (first..)
        .zip(entries)
        .map(|(index, entry)| (index, entry.to_canonical()))
        .collect()
}
