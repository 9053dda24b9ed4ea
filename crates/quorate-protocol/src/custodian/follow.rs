//! Following: entries under a certificate are taken without a time check; a custodian that signs nothing still mirrors
//! everything.

use super::{Custodian, Peer, encoded};
use crate::{
    Head, QuorumCertificate, batch,
    message::{Follow, LogEntry, MAX_TRANSFER, Status, note_heads},
    step::{Change, Step},
    tip::Tip,
};
use quorate_rules::Refusal;
use quorate_tlog::{hash::Hash, proof::verify_consistency};

impl Custodian {
    /// Takes entries under a certificate.
    pub fn follow(&mut self, peer: Peer, message: &Follow) -> Result<Step<Status>, Refusal> {
        self.check_peer(peer, &message.origin)?;
        if message.entries.len() > MAX_TRANSFER {
            return Err(Refusal::Oversize);
        }
        let certificate = &message.certificate;
        self.quorum(certificate)?;
        if certificate.rank() <= self.lock_rank() {
            // Nothing new; an old certificate never lowers a lock.
            return Ok(Step::new(Change::default(), self.status()));
        }
        if self
            .tentative
            .as_ref()
            .is_some_and(|tip| tip.head() == certificate.head)
        {
            return self.adopt_tentative(certificate);
        }
        let base = self.base_at(message.from).ok_or(Refusal::ParentUnknown)?;
        let tip = batch::follow(&base, &self.committee, &message.entries)?;
        check_prefix(&tip, certificate, &message.consistency)?;
        let off_branch = self.votes_off(&base, &message.entries)?;
        let held = self.held(&base, &message.entries)?;
        self.adopt(base, tip, held, message)?;
        if let (true, Some(vote)) = (off_branch, &mut self.last_vote) {
            vote.dropped = true;
        }
        let mut entries: Vec<LogEntry> = message.entries.iter().cloned().map(LogEntry::for_others).collect();
        note_heads(message.from, &mut entries, self.certified.heads());
        let mut change = self.state_change();
        let news = held
            .checked_sub(message.from)
            .and_then(|count| usize::try_from(count).ok());
        change.truncate_from = Some(held);
        change.entries = encoded(held, entries.get(news.unwrap_or(0)..).unwrap_or_default());
        Ok(Step::new(change, self.status()))
    }

    /// The head that this custodian voted for turned out certified.
    fn adopt_tentative(&mut self, certificate: &QuorumCertificate) -> Result<Step<Status>, Refusal> {
        self.raise_lock(certificate);
        Ok(Step::new(self.state_change(), self.status()))
    }

    /// Whether the newest own vote was for a head that these entries do not lead through.
    fn votes_off(&self, base: &Tip, entries: &[LogEntry]) -> Result<bool, Refusal> {
        let Some(vote) = self.last_vote else { return Ok(false) };
        let Some(count) = vote.head.size.checked_sub(base.head().size).filter(|count| *count > 0) else {
            return Ok(vote.dropped);
        };
        let count = usize::try_from(count).map_err(|_| Refusal::Oversize)?;
        match entries.get(..count) {
            Some(through) => Ok(batch::follow(base, &self.committee, through)?.head() != vote.head),
            None => Ok(true),
        }
    }

    /// Size of the newest own head that these entries lead through, or of the base. What is held below it stays as it is: a custodian
    /// that judged evidence itself knows its identifier, and nobody makes it forget one by sending the bare leaf.
    fn held(&self, base: &Tip, entries: &[LogEntry]) -> Result<u64, Refusal> {
        let size = base.head().size;
        for own in self.tentative.iter().chain([&self.certified]) {
            let count = own.head().size.checked_sub(size);
            let through = count.and_then(|count| entries.get(..usize::try_from(count).ok()?));
            if let Some(through) = through.filter(|through| !through.is_empty())
                && batch::follow(base, &self.committee, through)?.head() == own.head()
            {
                return Ok(own.head().size);
            }
        }
        Ok(size)
    }

    fn adopt(&mut self, base: Tip, tip: Tip, held: u64, message: &Follow) -> Result<(), Refusal> {
        self.remember_votes(&message.certificate);
        let complete = tip.head() == message.certificate.head;
        self.seen.truncate(held);
        self.tentative = None;
        self.attempts.clear();
        if complete && message.certificate.rank() > self.lock_rank() {
            self.lock = Some(message.certificate.clone());
        }
        self.settled = base;
        self.certified = tip;
        Ok(())
    }

    /// A tip of this size on the branch that it holds: certified first, then the one below it.
    fn base_at(&self, size: u64) -> Option<Tip> {
        [&self.certified, &self.settled]
            .into_iter()
            .find(|tip| tip.head().size == size)
            .cloned()
    }
}

/// The tip is the certified head, or a prefix of it by proof.
fn check_prefix(
    tip: &Tip,
    certificate: &QuorumCertificate,
    proof: &[quorate_rules::cbor::Array<32>],
) -> Result<(), Refusal> {
    let Head { size, root } = tip.head();
    if size == certificate.head.size {
        return if root == certificate.head.root {
            Ok(())
        } else {
            Err(Refusal::RootMismatch)
        };
    }
    let proof: Vec<Hash> = proof.iter().map(|hash| Hash::from(hash.0)).collect();
    verify_consistency(size, root, certificate.head.size, certificate.head.root, &proof)
        .map_err(|_| Refusal::RootMismatch)
}
