//! The trips of one batch, and the second signer set.

use super::{Ended, Sequencer, SignedHead, signers::Choice};
use crate::{clock, custodians::AskError, shepherd};
use bytes::Bytes;
use futures_util::future::join_all;
use quorate_protocol::{
    Refusal,
    coordinator::{Batch, Certified, Combined, Dispute, Job, Misbehaved, Misdeed, Proposed, Signed},
    message::{Committed, Voted, path},
};
use quorate_rules::cbor::Canonical;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Shortest and longest wait for one trip. The wait follows what custodians need; a hung one costs one of these once.
const TRIP: (Duration, Duration) = (Duration::from_millis(400), Duration::from_secs(4));
/// A trip may take this many times what its signers usually need.
const SLACK: u32 = 8;
/// What one token adds to the wait for a trip where the scheme makes signers compute for milliseconds per token.
const PER_TOKEN: Duration = Duration::from_millis(60);
/// Names of the rounds, under which their bytes are counted.
const ROUNDS: [&str; 4] = ["round-1", "round-2", "round-3", "later"];
/// Signatures that are combined on one thread before another is worth starting.
const JOBS_PER_THREAD: usize = 8;

/// How one signer set fared.
enum Attempt<T> {
    /// All answered.
    Done(T),
    /// These are out for this batch; others may take their place.
    Without(BTreeSet<u16>),
    /// These lacked the parent and have it now; the same set may try again.
    Again,
}

impl Sequencer {
    /// Proposes and signs a batch that is appended: first with the quickest signers, then with others, at most a few times.
    pub(super) async fn sign(&mut self, batch: &Batch) -> Result<Signed, Ended> {
        let rule = self.coordinator.committee().rule();
        let threshold = usize::from(rule.threshold());
        let parent = self.coordinator.tip().head();
        let mut choice = Choice::with_bans(self.custodians.bans());
        let mut certified_once = false;
        let mut best = Signed::default();
        for attempt in 0..rule.may_be_absent().saturating_add(6) {
            let Some(signers) = choice.pick(&self.custodians.ranked(parent), threshold) else {
                break;
            };
            if attempt > 0 {
                metrics::counter!("quorate_second_sets_total").increment(1);
            }
            let proposed = self.coordinator.propose(batch, attempt, &signers);
            let certified = match self.collect_votes(proposed, batch).await {
                Attempt::Done(certified) => certified,
                Attempt::Without(more) => {
                    choice.leave_out(more);
                    continue;
                }
                Attempt::Again => continue,
            };
            if !certified_once {
                certified_once = true;
                self.parent = self.coordinator.certificate().cloned();
                self.coordinator.advance(batch, certified.certificate.clone());
                self.ledger.certify(batch.tip.clone(), certified.certificate.clone());
                self.show(true);
            }
            match self.collect_shares(certified, batch).await? {
                Attempt::Done(signed) => {
                    self.note_disputes(&signed.disputes);
                    self.note_spoilt(&signers, signed.spoilt);
                    choice.leave_out(signed.misbehaved.iter().map(|misbehaved| misbehaved.custodian));
                    choice.part(&signed.disputes);
                    if signed.spoilt {
                        choice.fail(&signers);
                    }
                    let complete = signed.misbehaved.is_empty() && signed.disputes.is_empty() && !signed.spoilt;
                    merge(&mut best, signed);
                    if complete {
                        best.misbehaved
                            .extend(choice.culprit(&signers).map(|custodian| Misbehaved {
                                custodian,
                                what: Misdeed::Spoils,
                            }));
                        return Ok(best);
                    }
                }
                Attempt::Without(more) => choice.leave_out(more),
                Attempt::Again => {}
            }
        }
        // A head that some have voted for and nobody certified blocks this view; one that is certified does not.
        if certified_once { Ok(best) } else { Err(Ended::ViewLost) }
    }

    /// Says who will not sign with whom. A ban is for good, so it is also kept as if the custodian had just stated it.
    fn note_disputes(&self, disputes: &BTreeSet<Dispute>) {
        for Dispute { by, custodian, banned } in disputes {
            if *banned {
                tracing::error!(
                    custodian,
                    by,
                    "banned for good by another custodian that caught it cheating; `quorate rekey` leads to new keys without the one at fault"
                );
                metrics::counter!("quorate_bans_total").increment(1);
                self.custodians.note(*by, |known| {
                    if let Some(status) = &mut known.status
                        && !status.banned.contains(custodian)
                    {
                        status.banned.push(*custodian);
                    }
                });
            } else {
                tracing::warn!(custodian, by, "another custodian could not use its outputs");
            }
            metrics::counter!("quorate_disputes_total").increment(1);
        }
    }

    /// Members of sets that fail without a reason are asked later than others, until sets with them succeed.
    fn note_spoilt(&self, signers: &[u16], spoilt: bool) {
        for number in signers {
            self.custodians.note(*number, |known| {
                known.spoilt = if spoilt {
                    known.spoilt.saturating_add(1)
                } else {
                    known.spoilt / 2
                };
            });
        }
    }

    fn patience(&self, signers: &[u16], tokens: usize) -> Duration {
        let known = self.custodians.known();
        let slowest = signers
            .iter()
            .filter_map(|number| known.get(number))
            .map(|(_, known)| known.answer_us)
            .max();
        let scheme = &self.coordinator.schemes().token;
        let computing = if scheme.rounds() > 2 {
            PER_TOKEN * u32::try_from(tokens).unwrap_or(u32::MAX)
        } else {
            Duration::ZERO
        };
        (Duration::from_micros(slowest.unwrap_or(0)) * SLACK).clamp(TRIP.0 + computing, TRIP.1 + computing)
    }

    async fn collect_votes(&mut self, proposed: Proposed, batch: &Batch) -> Attempt<Certified> {
        let batch_parent = batch.parent();
        let signers = proposed.signers().to_vec();
        let bodies = bodies(&proposed);
        let names = (path::PROPOSE, ROUNDS[0]);
        let (answers, failures) = self.trip::<Voted>(names, bodies, batch.tokens()).await;
        let mut good = BTreeMap::new();
        let mut out = BTreeSet::new();
        for (number, voted) in answers {
            match proposed.check(self.coordinator.committee(), number, &voted) {
                Ok(()) => drop(good.insert(number, voted)),
                Err(misbehaved) => drop(out.insert(blame(&misbehaved))),
            }
        }
        let mut followed = false;
        for error in failures {
            match error {
                AskError::Refused {
                    refusal:
                        refusal @ (Refusal::LowerView
                        | Refusal::NewViewMissing
                        | Refusal::NewViewHidesHigher
                        | Refusal::ParentBelowLock
                        | Refusal::ConflictingHead),
                    custodian,
                    view,
                } => {
                    // Its word alone: were it enough to end the batch, one custodian could end every one, and use the evidence in it.
                    self.note_view(custodian, view);
                    tracing::warn!(custodian, %error, "the view is contested");
                    self.custodians
                        .note(custodian, |known| known.refused = Some((refusal, clock::now_ms())));
                    self.contested = true;
                    out.insert(custodian);
                }
                AskError::Refused {
                    refusal: Refusal::ParentUnknown,
                    custodian,
                    ..
                } => {
                    // To the parent and no further: from beyond it, it could not sign this head.
                    let Some(parent) = batch_parent.as_ref() else {
                        out.insert(custodian);
                        continue;
                    };
                    match shepherd::bring_up(&self.custodians, &self.ledger.store(), custodian, parent).await {
                        Ok(()) => followed = true,
                        Err(error) => {
                            tracing::warn!(custodian, %error, "cannot follow");
                            out.insert(custodian);
                        }
                    }
                }
                other => {
                    let number = who(&other);
                    if let AskError::Refused { refusal, .. } = other {
                        self.custodians
                            .note(number, |known| known.refused = Some((refusal, clock::now_ms())));
                    }
                    tracing::warn!(custodian = number, error = %other, "no vote");
                    out.insert(number);
                }
            }
        }
        if good.len() == signers.len() {
            Attempt::Done(proposed.certify(&good))
        } else if out.is_empty() && followed {
            Attempt::Again
        } else {
            Attempt::Without(out)
        }
    }

    async fn collect_shares(&mut self, mut certified: Certified, batch: &Batch) -> Result<Attempt<Signed>, Ended> {
        let signers = certified.signers().to_vec();
        let mut later = Vec::new();
        loop {
            let bodies = commits(&certified);
            let names = (path::COMMIT, ROUNDS[(later.len() + 1).min(ROUNDS.len() - 1)]);
            let (answers, failures) = self.trip::<Committed>(names, bodies, batch.tokens()).await;
            let mut good = BTreeMap::new();
            let mut out: BTreeSet<u16> = failures.iter().map(who).collect();
            for error in &failures {
                tracing::warn!(custodian = who(error), %error, "no share");
            }
            for (number, committed) in answers {
                match certified.check(self.coordinator.committee(), number, &committed) {
                    Ok(()) => drop(good.insert(number, committed)),
                    Err(misbehaved) => drop(out.insert(blame(&misbehaved))),
                }
            }
            for error in &failures {
                if let AskError::Refused {
                    refusal: Refusal::LowerView,
                    custodian,
                    view,
                } = error
                {
                    self.note_view(*custodian, *view);
                    self.contested = true;
                }
            }
            if !out.is_empty() {
                return Ok(Attempt::Without(out));
            }
            for number in &signers {
                self.custodians.note(*number, |known| {
                    if let Some(status) = &mut known.status {
                        status.certified = batch.head();
                    }
                });
            }
            let unfinished = certified.next_round(&self.coordinator, &good);
            later.push(good);
            if !unfinished {
                break;
            }
        }
        let jobs = certified.jobs(&self.coordinator, batch, &later);
        let Ok(jobs) = jobs else {
            return Ok(Attempt::Without(signers.into_iter().collect()));
        };
        let combined = tokio::task::block_in_place(|| combine(&jobs));
        let signed = certified.finish(batch, combined, &later);
        if let Some(signature) = &signed.checkpoint {
            self.signed_head = Some(batch.head());
            self.signed.send_replace(Some(SignedHead {
                head: batch.head(),
                signature: signature.clone(),
                certificate: certified.certificate.clone(),
                registry: batch.tip.registry_arc(),
            }));
        }
        Ok(Attempt::Done(signed))
    }

    /// A message to each of several custodians at once.
    async fn trip<R: Canonical + Send + 'static>(
        &self,
        names: (&'static str, &'static str),
        bodies: Vec<(u16, Bytes)>,
        tokens: usize,
    ) -> (BTreeMap<u16, R>, Vec<AskError>) {
        let signers: Vec<u16> = bodies.iter().map(|(number, _)| *number).collect();
        let patience = self.patience(&signers, tokens);

        let asks = bodies.into_iter().map(|(number, body)| async move {
            let begun = Instant::now();
            let answer = self.custodians.ask_counted::<R>(number, names, body, patience).await;
            if answer.is_ok() {
                let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.custodians.note(number, |known| {
                    known.answer_us = (known.answer_us * 7 + took) / 8;
                    known.refused = None;
                });
            }
            (number, answer)
        });
        let (mut answers, mut failures) = (BTreeMap::new(), Vec::new());
        for (number, answer) in join_all(asks).await {
            match answer {
                Ok(answer) => drop(answers.insert(number, answer)),
                Err(error) => failures.push(error),
            }
        }
        (answers, failures)
    }
}

/// The proposal for each signer; encoded once where no client secret makes them differ.
fn bodies(proposed: &Proposed) -> Vec<(u16, Bytes)> {
    let signers = proposed.signers().iter().copied();
    if proposed.is_for_all() {
        let shared = Bytes::from(proposed.message().to_canonical());
        signers.map(|number| (number, shared.clone())).collect()
    } else {
        let own = |number| Bytes::from(proposed.message_for(number).to_canonical());
        signers.map(|number| (number, own(number))).collect()
    }
}

/// The commit for each signer; encoded once where no envelopes make them differ.
fn commits(certified: &Certified) -> Vec<(u16, Bytes)> {
    let signers = certified.signers().iter().copied();
    let own = |number| Bytes::from(certified.message_for(number).to_canonical());
    match (certified.is_for_all(), certified.signers().first()) {
        (true, Some(first)) => {
            let shared = own(*first);
            signers.map(|number| (number, shared.clone())).collect()
        }
        _ => signers.map(|number| (number, own(number))).collect(),
    }
}

fn combine(jobs: &[Job]) -> Vec<Combined> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(jobs.len().div_ceil(JOBS_PER_THREAD));
    if threads <= 1 {
        return jobs.iter().map(Job::run).collect();
    }
    std::thread::scope(|scope| {
        let chunks = jobs.chunks(jobs.len().div_ceil(threads));
        let workers: Vec<_> = chunks
            .map(|chunk| scope.spawn(|| chunk.iter().map(Job::run).collect::<Vec<_>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("combining does not panic"))
            .collect()
    })
}

/// Tokens of several attempts at one batch: the first signature of each stands.
fn merge(best: &mut Signed, more: Signed) {
    best.checkpoint = best.checkpoint.take().or(more.checkpoint);
    for token in more.tokens {
        if !best.tokens.iter().any(|known| known.index == token.index) {
            best.tokens.push(token);
        }
    }
    best.refused = more.refused;
    best.misbehaved.extend(more.misbehaved);
    best.disputes.extend(more.disputes);
}

fn who(error: &AskError) -> u16 {
    match error {
        AskError::Gone(number) | AskError::Slow(number) | AskError::Unreadable(number) => *number,
        AskError::Refused { custodian, .. } => *custodian,
    }
}

fn blame(misbehaved: &Misbehaved) -> u16 {
    tracing::error!(custodian = misbehaved.custodian, "{misbehaved}");
    metrics::counter!("quorate_misbehaved_total").increment(1);
    misbehaved.custodian
}
