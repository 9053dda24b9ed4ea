//! Trip 1: a proposal is checked in the order of PROTOCOL §5, kept durably, and answered with a vote and round-1 outputs.

use super::{CLOCK_MS, Custodian, MAX_ATTEMPTS, Peer, encoded};
use crate::{
    Vote,
    attempt::{Answered, AttemptContext, AttemptKeys, OpenAttempt},
    batch::{Judge, Judged},
    message::{Propose, SignedPropose, Voted, digest},
    saved::LastVote,
    signed::Statement,
    step::{Change, Step},
    tip::Tip,
    vote::rank,
};
use quorate_rules::{Refusal, jwk::PublicJwk};
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;

/// Which of its own tips a proposal extends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    /// The tip under the lock (or the empty log).
    Certified,
    /// The head voted for, which the proposal's parent certificate certifies.
    Tentative,
    /// The tip below the lock: the proposal is for the locked head itself, to sign it once more.
    Settled,
}

impl Custodian {
    /// Answers a proposal. `leaves` are those of the own log that [`crate::batch::wanted`] names, as far as it holds them.
    pub fn propose(
        &mut self,
        peer: Peer,
        message: &SignedPropose,
        (now_ms, leaves): (u64, &BTreeMap<u64, Vec<u8>>),
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Step<Voted>, Refusal> {
        let proposal = &message.proposal;
        self.check_peer(peer, &proposal.origin)?;
        self.check_proposer(peer, message)?;
        self.check_votes()?;
        if let Some(voted) = self.answered_before(message) {
            return Ok(Step::new(Change::default(), voted));
        }
        self.check_signers(proposal)?;
        self.check_view(proposal)?;
        let base = self.base_of(proposal)?;
        self.check_conflict(proposal, base)?;
        check_time(self.tip_of(base), proposal, now_ms)?;
        let judge = Judge {
            committee: &self.committee,
            number: self.identity.number,
            seen: &self.seen,
            keys: &self.keys,
            leaves,
            secrets: &message.secrets,
            any_leaf: self.switches.any_leaf,
        };
        let judged = judge.batch(self.tip_of(base), proposal, rng)?;
        self.accept(message, base, judged, now_ms, rng)
    }

    /// The peer's own signature stands on the proposal, so that two proposals in one place are a proof against it.
    fn check_proposer(&self, peer: Peer, message: &SignedPropose) -> Result<(), Refusal> {
        let named = self
            .newest_tip()
            .registry()
            .gateways()
            .chain(&self.committee.body().gateways)
            .any(|gateway| gateway.name == message.proposal.gateway && gateway.link_key.0 == peer.0);
        let text = message.proposal.message();
        let signed = PublicJwk::Ed25519(quorate_rules::cbor::Array(peer.0)).verify(&text, &message.signature.0);
        if named && signed {
            Ok(())
        } else {
            Err(Refusal::NotTheGateway)
        }
    }

    /// A retransmission gets the answer it got before; the nonces behind it are not touched.
    fn answered_before(&self, message: &SignedPropose) -> Option<Voted> {
        let (answered, _) = self.attempts.get(&(message.proposal.head, message.proposal.attempt))?;
        let same = message.proposal.view == self.view && answered.proposal == digest(message);
        same.then(|| answered.voted.clone())
    }

    fn check_signers(&self, proposal: &Propose) -> Result<(), Refusal> {
        let rule = self.committee.rule();
        let signers = &proposal.signers;
        let ascending = signers.iter().zip(signers.iter().skip(1)).all(|(a, b)| a < b);
        let known = signers.iter().all(|number| (1..=rule.custodians()).contains(number));
        let attempts = rule.may_be_absent().saturating_add(8);
        if signers.len() != usize::from(rule.threshold())
            || !ascending
            || !known
            || !signers.contains(&self.identity.number)
            || proposal.attempt > attempts
        {
            return Err(Refusal::WrongSigners);
        }
        if self.banned().any(|banned| signers.contains(&banned)) {
            return Err(Refusal::BannedSigner);
        }
        Ok(())
    }

    /// The view is not lower than mine; a higher one, or one whose parent is of a lower view, comes with `t` statements none of
    /// which is higher than the parent.
    fn check_view(&self, proposal: &Propose) -> Result<(), Refusal> {
        if proposal.view < self.view && !self.switches.any_view {
            return Err(Refusal::LowerView);
        }
        let parent = rank(proposal.parent.as_ref());
        if parent.0 == proposal.view {
            return Ok(());
        }
        let mut stated = std::collections::BTreeSet::new();
        for signed in &proposal.new_view {
            let statement = &signed.statement;
            let key = self
                .committee
                .identity(statement.custodian)
                .ok_or(Refusal::NewViewMissing)?;
            if statement.origin != self.committee.origin() {
                return Err(Refusal::WrongOrigin);
            }
            if statement.view != proposal.view || !statement.is_signed_by(key, &signed.signature) {
                return Err(Refusal::NewViewMissing);
            }
            if rank(statement.certificate.as_ref()) > parent {
                return Err(Refusal::NewViewHidesHigher);
            }
            if !stated.insert(statement.custodian) {
                return Err(Refusal::DoubledVoter);
            }
        }
        if stated.len() < usize::from(self.committee.rule().threshold()) {
            return Err(Refusal::NewViewMissing);
        }
        Ok(())
    }

    fn base_of(&mut self, proposal: &Propose) -> Result<Base, Refusal> {
        let parent_head = match &proposal.parent {
            None => crate::Head::empty(),
            Some(parent) => {
                if self.lock.as_ref() != Some(parent) {
                    self.quorum(parent)?;
                }
                parent.head
            }
        };
        let signs_lock_again = self.lock.as_ref().is_some_and(|lock| {
            lock.view == proposal.view && lock.head == proposal.head && self.settled.head() == parent_head
        });
        if signs_lock_again && self.certified.head() == proposal.head {
            return Ok(Base::Settled);
        }
        if rank(proposal.parent.as_ref()) < self.lock_rank() {
            return Err(Refusal::ParentBelowLock);
        }
        if self.certified.head() == parent_head {
            return Ok(Base::Certified);
        }
        match &self.tentative {
            Some(tip) if tip.head() == parent_head => Ok(Base::Tentative),
            _ => Err(Refusal::ParentUnknown),
        }
    }

    fn tip_of(&self, base: Base) -> &Tip {
        match base {
            Base::Certified => &self.certified,
            Base::Settled => &self.settled,
            Base::Tentative => self.newest_tip(),
        }
    }

    /// In one view, a second vote is only for the same head or for one that extends it under a certificate.
    fn check_conflict(&self, proposal: &Propose, base: Base) -> Result<(), Refusal> {
        let Some(LastVote { view, head, dropped }) = self.last_vote else {
            return Ok(());
        };
        let extended = !dropped && head.size <= self.tip_of(base).head().size;
        if view < proposal.view || head == proposal.head || extended {
            return Ok(());
        }
        Err(Refusal::ConflictingHead)
    }

    fn accept(
        &mut self,
        message: &SignedPropose,
        base: Base,
        judged: Judged,
        now_ms: u64,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Step<Voted>, Refusal> {
        let proposal = &message.proposal;
        let keys_body = judged.tip.registry().keys().ok_or(Refusal::WrongGenesis)?;
        let shares = self.keys.shares(keys_body).ok_or(Refusal::WrongTranscript)?;
        let context = AttemptContext {
            origin: self.committee.origin().to_owned(),
            epoch: keys_body.epoch,
            view: proposal.view,
            head: proposal.head,
            attempt: proposal.attempt,
            signers: proposal.signers.clone(),
        };
        let keys = AttemptKeys {
            token: shares.token.as_ref(),
            log: shares.log.as_ref(),
        };
        let (open, envelopes) = OpenAttempt::open(context, &keys, &self.signer(), (judged.tokens, now_ms), rng)?;
        let vote = Vote::cast(
            self.identity.number,
            &self.identity.key,
            self.committee.origin(),
            proposal.view,
            proposal.head,
        );
        let voted = Voted {
            vote,
            outputs: open.sent().clone(),
            refused: judged
                .refused
                .iter()
                .map(|(index, refusal)| (*index, refusal.code().to_owned()))
                .collect(),
            envelopes,
        };

        let mut change = Change::default();
        if proposal.view > self.view {
            self.view = proposal.view;
            self.attempts.clear();
        }
        self.last_vote = Some(LastVote {
            view: proposal.view,
            head: proposal.head,
            dropped: false,
        });
        if base != Base::Settled {
            if let Some(parent) = &proposal.parent {
                self.raise_lock(parent);
            }
            let first = self.certified.head().size;
            self.seen.truncate(first);
            self.seen.sweep(proposal.time_ms);
            for (index, entry) in (first..).zip(&judged.entries) {
                if let (Some(jti), Some(dies_ms)) = (entry.jti, entry.dies_ms) {
                    self.seen.insert(jti.0, index, dies_ms);
                }
            }
            change.truncate_from = self.tentative.is_some().then_some(first);
            change.entries = encoded(first, &judged.entries);
            self.tentative = Some(judged.tip);
        }
        let Change { state, registry, .. } = self.state_change();
        (change.state, change.registry) = (state, registry);

        self.attempts.retain(|(head, _), _| *head == proposal.head);
        while self.attempts.len() >= MAX_ATTEMPTS {
            self.attempts.pop_first();
        }
        let answered = Answered {
            proposal: digest(message),
            voted: voted.clone(),
        };
        self.attempts
            .insert((proposal.head, proposal.attempt), (answered, Some(open)));
        Ok(Step::new(change, voted))
    }
}

/// Head time ≤ batch time ≤ now + 30 s, and not older than 30 s: this custodian has not seen the head under a certificate.
fn check_time(base: &Tip, proposal: &Propose, now_ms: u64) -> Result<(), Refusal> {
    if proposal.time_ms < base.time_ms() {
        return Err(Refusal::TimeBackwards);
    }
    if proposal.time_ms > now_ms.saturating_add(CLOCK_MS) {
        return Err(Refusal::TimeAhead);
    }
    if proposal.time_ms < now_ms.saturating_sub(CLOCK_MS) {
        return Err(Refusal::TimeBehind);
    }
    Ok(())
}
