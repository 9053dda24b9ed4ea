//! Taking over: every start and every loss of the view begins with a new view, and a lost tail is healed from certificates first.

use super::{Ended, Sequencer};
use crate::{
    clock,
    custodians::{ANSWER, AskError},
    ledger::LedgerError,
};
use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use quorate_protocol::{
    QuorumCertificate, Refusal, View,
    coordinator::NewViewRound,
    dkg::{Begin, Given, Round, SignedFinished},
    message::{Fetch, Fetched, SignedNewView, path},
    signed::Statement,
};
use quorate_rules::cbor::{Array, Canonical};
use rand_core::{OsRng, RngCore};
use std::time::Duration;

/// Longest wait for statements; whoever has not stated by then is left out.
const STATEMENTS: Duration = Duration::from_secs(2);
/// Longest wait for one round of a key generation: DKLs23 makes every custodian compute for seconds with every other.
const KEYS: Duration = Duration::from_secs(60);
/// Wait for the others once a quorum has stated: a hung custodian must not cost every new view the longest wait.
const STRAGGLERS: Duration = Duration::from_millis(200);

impl Sequencer {
    /// Enters a new view, heals, and founds the log if there is none.
    pub(super) async fn take_over(&mut self) -> Result<(), Ended> {
        if !self.quorum_is_there() {
            return Err(Ended::ViewLost);
        }
        let committee = self.coordinator.committee().clone();
        let known = self.custodians.known();
        let views = known
            .values()
            .filter_map(|(_, known)| known.status.as_ref().map(|status| status.view));
        let mut round = NewViewRound::begin(views.chain([self.coordinator.view()]));
        let body = Bytes::from(round.message(&committee).to_canonical());
        let voting = self.custodians.voting();
        let mut asks: FuturesUnordered<_> = voting
            .iter()
            .map(|number| {
                let answer = self
                    .custodians
                    .ask::<SignedNewView>(*number, path::NEW_VIEW, body.clone(), STATEMENTS);
                async move { (*number, answer.await) }
            })
            .collect();
        let mut holders = Vec::new();
        let mut longest = STATEMENTS;
        while let Ok(Some((number, answer))) = tokio::time::timeout(longest, asks.next()).await {
            match answer {
                Ok(signed) => {
                    let certificate = signed.statement.certificate.clone();
                    match round.take(&committee, number, signed) {
                        Ok(()) => {
                            self.note_view(number, round.view());
                            holders.push((number, certificate));
                        }
                        Err(misbehaved) => tracing::error!(custodian = number, "{misbehaved}"),
                    }
                }
                Err(AskError::Refused { view, refusal, .. }) => {
                    tracing::info!(custodian = number, refusal = refusal.code(), %view, "no statement");
                    self.note_view(number, view);
                }
                Err(error) => tracing::info!(custodian = number, %error, "no statement"),
            }
            if round.is_complete(&committee) {
                longest = STRAGGLERS;
            }
        }
        drop(asks);
        let view = round.view();
        let Some(entered) = round.finish(&committee) else {
            return Err(Ended::ViewLost);
        };
        holders.retain(|(_, certificate)| *certificate == entered.highest);
        self.heal(view, entered.highest.as_ref(), &holders).await?;
        let (tip, _) = self.ledger.certified();
        let seen = self.ledger.seen()?;
        if self.coordinator.lead(entered, tip, seen).is_err() {
            return Err(Ended::ViewLost);
        }
        tracing::info!(%view, head = %self.coordinator.tip().head(), "leading");
        self.parent = None;
        self.leading = true;
        if self.coordinator.tip().head().size == 0 {
            self.found().await?;
        }
        Ok(())
    }

    pub(super) fn note_view(&self, number: u16, view: View) {
        self.custodians.note(number, |known| {
            if let Some(status) = &mut known.status {
                status.view = status.view.max(view);
            }
        });
    }

    /// Makes the certified tip the head of the highest certificate: from the own tail, or from a custodian that holds it.
    async fn heal(
        &mut self,
        view: View,
        highest: Option<&QuorumCertificate>,
        holders: &[(u16, Option<QuorumCertificate>)],
    ) -> Result<(), Ended> {
        // What another process of this gateway proposed before it died.
        self.coordinator.note_shown(self.ledger.tail_identifiers()?);
        let (tip, _) = self.ledger.certified();
        let Some(certificate) = highest else {
            if tip.head().size > 0 {
                tracing::error!("no custodian of the quorum knows this log; this gateway forgets its copy");
                self.ledger.forget()?;
            }
            return Ok(self.ledger.drop_tail()?);
        };
        if let Some(healed) = self.ledger.tail_at(certificate.head)? {
            self.ledger.certify(healed, certificate.clone());
            self.ledger.drop_tail()?;
            return Ok(self.ledger.save()?);
        }
        tracing::info!(
            from = tip.head().size,
            to = certificate.head.size,
            "healing from the custodians"
        );
        self.ledger.drop_tail()?;
        if tip.head().size > certificate.head.size {
            self.ledger.forget()?;
        }
        for (number, _) in holders {
            match self.fetch_from(*number, view, certificate).await {
                Ok(()) => return Ok(()),
                Err(Ended::Fatal(LedgerError::Damaged(what))) => {
                    // Either this custodian lies or this copy is of another branch: begin anew with the next.
                    tracing::warn!(custodian = number, what, "cannot heal from it");
                    self.ledger.forget()?;
                }
                Err(Ended::ViewLost) => {}
                Err(fatal) => return Err(fatal),
            }
        }
        Err(Ended::ViewLost)
    }

    async fn fetch_from(&mut self, number: u16, view: View, certificate: &QuorumCertificate) -> Result<(), Ended> {
        loop {
            let (tip, _) = self.ledger.certified();
            let from = tip.head().size;
            if from == certificate.head.size {
                if tip.head() != certificate.head {
                    return Err(LedgerError::Damaged("another root than certified").into());
                }
                self.ledger.certify(tip, certificate.clone());
                return Ok(self.ledger.save()?);
            }
            let limit = certificate.head.size.saturating_sub(from);
            let fetch = Fetch {
                origin: self.coordinator.committee().origin().to_owned(),
                from,
                limit,
            };
            let body = Bytes::from(fetch.to_canonical());
            let fetched: Fetched = self
                .custodians
                .ask(number, path::FETCH, body, ANSWER)
                .await
                .map_err(|_| Ended::ViewLost)?;
            if fetched.entries.is_empty() || fetched.entries.len() as u64 > limit {
                return Err(LedgerError::Damaged("a custodian sent no entries or too many").into());
            }
            self.ledger.heal(view, fetched.entries)?;
        }
    }

    /// Founds the log: the DKG of both keys with every custodian, then genesis and keys as the first certified batch.
    async fn found(&mut self) -> Result<(), Ended> {
        let committee = self.coordinator.committee().clone();
        let everyone: Vec<u16> = committee.numbers().collect();
        if self.custodians.voting().len() < everyone.len() {
            self.leading = false;
            tracing::info!("waiting for all custodians: keys are made by all of them together");
            return Err(Ended::ViewLost);
        }
        tracing::info!(custodians = everyone.len(), "making the keys");
        let keys = self.generate(&everyone).await.map_err(|error| {
            tracing::warn!(%error, "the key generation failed and will be tried again");
            self.leading = false;
            Ended::ViewLost
        })?;
        let built = self.coordinator.build_first(keys, clock::now_ms(), &mut OsRng);
        let Ok(batch) = built else {
            self.leading = false;
            return Err(Ended::ViewLost);
        };
        let signed = self.commit(&batch).await.inspect_err(|_| self.leading = false)?;
        if signed.checkpoint.is_none() {
            self.leading = false;
            return Err(Ended::ViewLost);
        }
        tracing::info!(head = %batch.head(), "the log is founded");
        Ok(())
    }

    /// One attempt at the DKG; returns the canonical keys entry that every custodian certified.
    async fn generate(&self, everyone: &[u16]) -> Result<Vec<u8>, AskError> {
        let committee = self.coordinator.committee();
        let mut attempt = [0; 16];
        OsRng.fill_bytes(&mut attempt);
        let begin = Begin {
            origin: committee.origin().to_owned(),
            attempt: Array(attempt),
        };
        let body = Bytes::from(begin.to_canonical());
        let schemes = self.coordinator.schemes();
        let rounds = schemes.token.dkg_rounds().max(schemes.log.dkg_rounds());
        let begun = tokio::time::Instant::now();
        let said = |round: u8| {
            tracing::info!(round, of = rounds, elapsed = ?begun.elapsed(), "key generation");
            self.seen.send_modify(|seen| seen.generating = Some((round, rounds)));
        };
        let mut given: Vec<Given> = self.ask_each(everyone, path::DKG_BEGIN, |_| body.clone()).await?;
        said(1);
        for round in 2..=rounds {
            let message = |number| Bytes::from(Round::for_one(number, &given).to_canonical());
            given = self.ask_each(everyone, path::DKG_ROUND, message).await?;
            said(round);
        }
        let message = |number| Bytes::from(Round::for_one(number, &given).to_canonical());
        let finished: Vec<SignedFinished> = self.ask_each(everyone, path::DKG_FINISH, message).await?;
        let first = finished.first().ok_or(AskError::Unreadable(0))?;
        for (number, signed) in everyone.iter().zip(&finished) {
            let certified = committee
                .identity(*number)
                .is_some_and(|key| signed.finished.is_signed_by(key, &signed.signature));
            if !certified || signed.finished != first.finished {
                let (custodian, refusal) = (*number, Refusal::WrongTranscript);
                return Err(AskError::Refused {
                    custodian,
                    refusal,
                    view: self.coordinator.view(),
                });
            }
        }
        Ok(first.finished.keys.to_canonical())
    }

    async fn ask_each<R: Canonical + Send + 'static>(
        &self,
        everyone: &[u16],
        path: &'static str,
        body: impl Fn(u16) -> Bytes,
    ) -> Result<Vec<R>, AskError> {
        let asks = everyone
            .iter()
            .map(|number| self.custodians.ask::<R>(*number, path, body(*number), KEYS));
        join_all(asks).await.into_iter().collect()
    }
}
