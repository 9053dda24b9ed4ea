//! Trip 2 and later: a certificate over one's own head locks it, and only then are shares given.

use super::{CLOCK_MS, Custodian, Peer};
use crate::{
    attempt::{Advanced, Sent},
    message::{Commit, Committed},
    step::{Change, Step},
};
use quorate_rules::{Refusal, cbor::Canonical};
use rand_core::{CryptoRng, RngCore};

impl Custodian {
    /// Answers a commit: checks the certificate and the lists, locks, and uses the sessions.
    pub fn commit(
        &mut self,
        peer: Peer,
        message: &Commit,
        now_ms: u64,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Step<Committed>, Refusal> {
        self.check_peer(peer, &message.origin)?;
        self.check_votes()?;
        let (view, head) = (message.certificate.view, message.certificate.head);
        let quorum = self.quorum(&message.certificate)?;
        if view < self.view && !self.switches.any_view {
            return Err(Refusal::LowerView);
        }
        if view > self.view || head != self.highest() {
            return Err(Refusal::QuorumForAnotherHead);
        }
        let banned: Vec<u16> = self.banned().collect();
        let (_, slot) = self
            .attempts
            .get_mut(&(head, message.attempt))
            .ok_or(Refusal::NoSuchAttempt)?;
        let open = slot.as_ref().ok_or(Refusal::NoSuchAttempt)?;
        if open.context().view != view {
            return Err(Refusal::NoSuchAttempt);
        }
        // An attempt that was open when a ban came is as closed as one that comes after it.
        if open.context().signers.iter().any(|signer| banned.contains(signer)) {
            return Err(Refusal::BannedSigner);
        }
        let lists = open.read_lists(&self.committee, self.identity.number, message)?;
        // From here on the nonces are gone from the table, whatever happens next.
        let open = slot.take().ok_or(Refusal::NoSuchAttempt)?;

        let was_certified = self.certified.head() == head;
        let raised = self.raise_lock(&message.certificate);
        let mut change = Change::default();
        if raised || !was_certified {
            change = self.state_change();
        }
        if self.keys.retire_but(self.certified.registry().keys()) {
            change.retire_shares_but = self.certified.registry().keys().map(|keys| keys.transcript.0);
        }
        let late = now_ms > self.certified.time_ms().saturating_add(CLOCK_MS);
        let inputs = (&lists, message.envelopes.as_slice());
        let advanced = open.advance(inputs, &quorum, &self.signer(), late, rng)?;
        let Advanced {
            sent: Sent { outputs, envelopes },
            refused,
            accused,
            rest,
        } = advanced;
        let cheats = accused.iter().filter(|accusation| accusation.banned);
        if self.ban(cheats.map(|accusation| accusation.custodian), head) {
            // Durable before anybody hears of it: a ban that a restart forgets is none. What has to be dropped or sealed stays as it is.
            change.state = Some(self.saved_state().to_canonical());
        }
        if let Some((_, slot)) = self.attempts.get_mut(&(head, message.attempt)) {
            *slot = rest;
        }
        let refused = refused
            .iter()
            .map(|(index, refusal)| (*index, refusal.code().to_owned()))
            .collect();
        let committed = Committed {
            outputs,
            refused,
            envelopes,
            accused: accused.into_iter().collect(),
        };
        Ok(Step::new(change, committed))
    }
}
