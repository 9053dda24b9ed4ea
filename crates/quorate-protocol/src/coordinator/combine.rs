//! Combining outputs into signatures. Every signature is its own [`Job`], so that a gateway can spread them over its cores.

use super::{Batch, Certified, Coordinator, Misbehaved, Misdeed};
use crate::{
    Committee,
    message::{Accusation, Committed, Outputs, Purpose},
    permit::checkpoint_text,
};
use quorate_rules::{Grant, Refusal, cbor::Canonical, grant::TokenKind};
use quorate_threshold::{AggregateError, GroupKey, Identifier, Scheme};
use quorate_tlog::hash::{Hash, sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One signature to be combined from all signers' outputs of all rounds.
pub struct Job {
    purpose: Purpose,
    message: Vec<u8>,
    scheme: Arc<dyn Scheme>,
    group: Arc<GroupKey>,
    outputs: Vec<BTreeMap<Identifier, Vec<u8>>>,
}

/// A combined signature, or who is to blame.
pub struct Combined {
    purpose: Purpose,
    outcome: Result<Vec<u8>, AggregateError>,
}

impl Job {
    /// Combines and verifies; pure computation.
    pub fn run(&self) -> Combined {
        let outcome = self.scheme.aggregate(&self.group, &self.message, &self.outputs);
        Combined {
            purpose: self.purpose,
            outcome,
        }
    }
}

/// A token on its way to the client.
#[derive(Debug, Clone)]
pub struct Token {
    /// Index of its leaf.
    pub index: u64,
    /// Number of the order that asked for it.
    pub order: usize,
    /// Which token of its grant.
    pub kind: TokenKind,
    /// Compact JWS.
    pub jwt: String,
    /// What was granted.
    pub grant: Grant,
}

/// One custodian's word against another. Which of the two lies, nobody else can tell; they are not asked to sign together again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dispute {
    /// Who says so.
    pub by: u16,
    /// Of whom.
    pub custodian: u16,
    /// Whether the first will never sign with the second again.
    pub banned: bool,
}

/// A signed batch.
#[derive(Debug, Default)]
pub struct Signed {
    /// Signature by the log key over the checkpoint of the batch's head.
    pub checkpoint: Option<Vec<u8>>,
    /// Tokens.
    pub tokens: Vec<Token>,
    /// Orders whose leaf stays without a token, with the code of the refusal.
    pub refused: Vec<(usize, String)>,
    /// Custodians whose outputs were wrong.
    pub misbehaved: Vec<Misbehaved>,
    /// Who could not use whose outputs.
    pub disputes: BTreeSet<Dispute>,
    /// Whether a token stays unsigned because one of the signers lied, and nothing says which.
    pub spoilt: bool,
}

impl Certified {
    /// Checks one signer's answer to the newest commit.
    pub fn check(&self, committee: &Committee, custodian: u16, answer: &Committed) -> Result<(), Misbehaved> {
        let round = self.commit.round.saturating_add(1);
        let sound =
            answer.outputs.custodian == custodian && self.context.verify(committee, round, &answer.outputs).is_ok();
        if sound {
            Ok(())
        } else {
            Err(Misbehaved {
                custodian,
                what: Misdeed::BadOutputs,
            })
        }
    }

    /// Takes all signers' checked answers to the newest commit. Whether there is another trip: some signature that all of them still
    /// take part in is of a scheme with more rounds, and the commit message is the next one now.
    pub fn next_round(&mut self, coordinator: &Coordinator, answers: &BTreeMap<u16, Committed>) -> bool {
        let round = self.commit.round.saturating_add(1);
        let rounds_of = |purpose| match purpose {
            Purpose::Token(_) => coordinator.schemes().token.rounds(),
            Purpose::Checkpoint => coordinator.schemes().log.rounds(),
        };
        let lists = || answers.values().map(|answer| &answer.outputs);
        let unfinished = read_round(lists()).is_ok_and(|signings| {
            signings
                .iter()
                .any(|((purpose, _), outputs)| outputs.len() == self.signers().len() && rounds_of(*purpose) > round)
        });
        if unfinished {
            self.envelopes = answers
                .values()
                .flat_map(|answer| answer.envelopes.iter().cloned())
                .collect();
            self.commit.lists = lists().cloned().collect();
            self.commit.round = round;
        }
        unfinished
    }

    /// Prepares all signatures from the signers' outputs of rounds 2 and later, in order.
    pub fn jobs(
        &self,
        coordinator: &Coordinator,
        batch: &Batch,
        later: &[BTreeMap<u16, Committed>],
    ) -> Result<Vec<Job>, Refusal> {
        let keys = batch.tip.registry().keys().ok_or(Refusal::WrongGenesis)?;
        let group = |bytes: &[u8]| GroupKey::decode(bytes).map(Arc::new).map_err(|_| Refusal::Malformed);
        let (token_group, log_group) = (group(&keys.token_group)?, group(&keys.log_group)?);
        let mut rounds = vec![read_round(self.round1.iter())?];
        for answers in later {
            rounds.push(read_round(answers.values().map(|answer| &answer.outputs))?);
        }
        let mut jobs = Vec::new();
        let checkpoint = checkpoint_text(&self.context.origin, self.context.head)?;
        let schemes = coordinator.schemes();
        if let Some(outputs) = gather(
            &rounds,
            Purpose::Checkpoint,
            checkpoint.as_bytes(),
            self.signers().len(),
            schemes.log.rounds(),
        ) {
            let message = checkpoint.into_bytes();
            jobs.push(Job {
                purpose: Purpose::Checkpoint,
                message,
                scheme: Arc::clone(&schemes.log),
                group: log_group,
                outputs,
            });
        }
        for (index, placed) in &batch.tokens {
            let purpose = Purpose::Token(*index);
            let message = placed.entry.signing_input.as_bytes();
            if let Some(outputs) = gather(&rounds, purpose, message, self.signers().len(), schemes.token.rounds()) {
                let (scheme, group) = (Arc::clone(&schemes.token), Arc::clone(&token_group));
                jobs.push(Job {
                    purpose,
                    message: message.to_vec(),
                    scheme,
                    group,
                    outputs,
                });
            }
        }
        Ok(jobs)
    }

    /// Puts tokens together. A bad share names its custodian.
    pub fn finish(&self, batch: &Batch, combined: Vec<Combined>, later: &[BTreeMap<u16, Committed>]) -> Signed {
        let mut signed = Signed::default();
        let mut codes: BTreeMap<u64, String> = self
            .refused
            .iter()
            .map(|(index, (_, code))| (*index, code.clone()))
            .collect();
        for (by, answer) in later.iter().flatten() {
            for (index, code) in &answer.refused {
                codes.entry(*index).or_insert_with(|| code.clone());
            }
            let disputes = answer.accused.iter().map(|Accusation { custodian, banned }| Dispute {
                by: *by,
                custodian: *custodian,
                banned: *banned,
            });
            signed.disputes.extend(disputes);
        }
        for Combined { purpose, outcome } in combined {
            match (purpose, outcome) {
                (Purpose::Checkpoint, Ok(signature)) => signed.checkpoint = Some(signature),
                (Purpose::Token(index), Ok(signature)) => {
                    let (Some(placed), Some(order)) = (batch.tokens.get(&index), batch.placed.get(&index)) else {
                        continue;
                    };
                    signed.tokens.push(Token {
                        index,
                        order: *order,
                        kind: placed.kind,
                        jwt: placed.entry.compact(&signature),
                        grant: placed.grant.clone(),
                    });
                }
                (_, Err(AggregateError::Misbehaved { culprits })) => {
                    for culprit in culprits {
                        let named = Misbehaved {
                            custodian: culprit.get(),
                            what: Misdeed::BadShare,
                        };
                        if !signed.misbehaved.contains(&named) {
                            signed.misbehaved.push(named);
                        }
                    }
                }
                (_, Err(_)) => {}
            }
        }
        // No signature, no refusal, and nobody to blame: a signer gave nothing usable, or something that shows in the sum only.
        let unexplained =
            |index: &u64| !codes.contains_key(index) && !signed.tokens.iter().any(|token| token.index == *index);
        let blamed = !signed.misbehaved.is_empty() || !signed.disputes.is_empty();
        signed.spoilt = !blamed && batch.tokens.keys().any(unexplained);
        for (index, order) in &batch.placed {
            if let Some(code) = codes.get(index) {
                signed.refused.push((*order, code.clone()));
            }
        }
        signed
    }
}

type Round = BTreeMap<(Purpose, Hash), BTreeMap<Identifier, Vec<u8>>>;

fn read_round<'a>(lists: impl Iterator<Item = &'a crate::message::SignedOutputs>) -> Result<Round, Refusal> {
    let mut round = Round::new();
    for signed in lists {
        let identifier = Identifier::new(signed.custodian).map_err(|_| Refusal::WrongSigners)?;
        let outputs = Outputs::from_canonical(&signed.list).map_err(|_| Refusal::WrongCommitments)?;
        for item in outputs.items {
            round
                .entry((item.purpose, item.digest))
                .or_default()
                .insert(identifier, item.bytes.0);
        }
    }
    Ok(round)
}

/// All signers' outputs of all rounds for one signature, if none is missing.
fn gather(
    rounds: &[Round],
    purpose: Purpose,
    message: &[u8],
    signers: usize,
    count: u8,
) -> Option<Vec<BTreeMap<Identifier, Vec<u8>>>> {
    let digest = sha256(&[message]);
    let outputs: Vec<_> = rounds
        .iter()
        .take(usize::from(count))
        .map(|round| {
            round
                .get(&(purpose, digest))
                .filter(|outputs| outputs.len() == signers)
                .cloned()
        })
        .collect::<Option<_>>()?;
    (outputs.len() == usize::from(count)).then_some(outputs)
}
