//! Building a batch: the gateway judges early with the same code as the custodians, so that what it proposes is what they build.

use super::{Batch, Coordinator};
use crate::{
    batch::{Seen, plain_leaf},
    message::{MAX_BATCH, Opening, ProposedEntry},
    tip::Extension,
};
use quorate_rules::{
    Evidence, Grant, Refusal, TokenEntry,
    body::{DecisionBody, TICK},
    cbor::{Array, Bytes, Canonical},
    judge::judge,
    leaf::{EntryType, commitment},
    token::Position,
};
use quorate_tlog::hash::Hash;
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;

/// What somebody asks for.
#[derive(Debug, Clone)]
pub enum Order {
    /// A token.
    Token {
        /// Evidence.
        evidence: Evidence,
        /// The grant, if it was judged already, with the root of the registry that it was judged against; used while that root
        /// is still in force.
        judged: Option<(Hash, Grant)>,
        /// W3C trace context of the request.
        traceparent: Option<String>,
    },
    /// A decision.
    Decision(DecisionBody),
    /// Nothing but a newer checkpoint.
    Tick,
}

struct Builder<'a> {
    extension: Extension,
    entries: Vec<ProposedEntry>,
    tokens: BTreeMap<u64, (Grant, TokenEntry)>,
    in_batch: Seen,
    seen: &'a Seen,
}

impl Coordinator {
    /// Judges and builds a batch of at most [`MAX_BATCH`] orders; refused ones are named in the result and take no place.
    pub fn build(&self, orders: &[Order], now_ms: u64, rng: &mut (impl CryptoRng + RngCore)) -> Batch {
        // Time never runs backwards in the log, whatever this machine's clock does.
        let time_ms = now_ms.max(self.tip.time_ms());
        let mut builder = Builder {
            extension: self.tip.extend(),
            entries: Vec::new(),
            tokens: BTreeMap::new(),
            in_batch: Seen::default(),
            seen: &self.seen,
        };
        let (mut placed, mut refused) = (BTreeMap::new(), Vec::new());
        for (number, order) in orders.iter().take(MAX_BATCH).enumerate() {
            let at = builder.extension.position(self.committee.log(), time_ms);
            let mut salt = [0; 32];
            rng.fill_bytes(&mut salt);
            let outcome = match order {
                Order::Token {
                    evidence,
                    judged,
                    traceparent,
                } => {
                    let grant = match judged {
                        Some((root, grant)) if *root == at.registry_root => {
                            grant.check_time(at.time_ms).map(|()| grant.clone())
                        }
                        _ => judge(builder.extension.registry(), evidence, at.time_ms),
                    };
                    grant.and_then(|grant| builder.token(grant, (evidence, traceparent.as_ref()), &at, salt))
                }
                Order::Tick => builder.open(EntryType::Tick, TICK.to_vec(), &at, salt),
                Order::Decision(body) => builder.open(EntryType::Decision, body.to_canonical(), &at, salt),
            };
            match outcome {
                Ok(()) => {
                    placed.insert(at.index, number);
                }
                Err(refusal) => refused.push((number, refusal)),
            }
        }
        self.finish(builder, time_ms, placed, refused)
    }

    /// Builds the first batch: genesis, and the keys that every custodian certified.
    pub fn build_first(
        &self,
        keys: Vec<u8>,
        now_ms: u64,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Batch, Refusal> {
        let time_ms = now_ms.max(self.tip.time_ms());
        let mut builder = Builder {
            extension: self.tip.extend(),
            entries: Vec::new(),
            tokens: BTreeMap::new(),
            in_batch: Seen::default(),
            seen: &self.seen,
        };
        let bodies = [
            (EntryType::Genesis, self.committee.genesis().to_vec()),
            (EntryType::Keys, keys),
        ];
        for (entry_type, body) in bodies {
            let at = builder.extension.position(self.committee.log(), time_ms);
            let mut salt = [0; 32];
            rng.fill_bytes(&mut salt);
            builder.open(entry_type, body, &at, salt)?;
        }
        Ok(self.finish(builder, time_ms, BTreeMap::new(), Vec::new()))
    }

    fn finish(
        &self,
        builder: Builder<'_>,
        time_ms: u64,
        placed: BTreeMap<u64, usize>,
        refused: Vec<(usize, Refusal)>,
    ) -> Batch {
        Batch {
            view: self.view,
            parent: self.certificate.clone(),
            new_view: self.new_view.clone(),
            first: self.tip.head().size,
            tip: builder.extension.finish(),
            time_ms,
            entries: builder.entries,
            tokens: builder.tokens,
            placed,
            refused,
        }
    }
}

impl Builder<'_> {
    fn token(
        &mut self,
        grant: Grant,
        (evidence, traceparent): (&Evidence, Option<&String>),
        at: &Position,
        salt: [u8; 32],
    ) -> Result<(), Refusal> {
        let jti = grant.jti();
        if self.seen.index_of(&jti).is_some() || self.in_batch.index_of(&jti).is_some() {
            return Err(Refusal::Replayed);
        }
        let header = self
            .extension
            .registry()
            .signing_header()
            .ok_or(Refusal::UnknownClient)?;
        let entry = TokenEntry::build(&grant, at, header, &salt);
        self.extension.append_token(&entry.leaf);
        self.in_batch.insert(*jti.as_bytes(), at.index, grant.dies_ms());
        self.entries.push(ProposedEntry {
            leaf: Array(entry.leaf.encode()),
            opening: Some(Opening {
                salt: Array(salt),
                body: Bytes(entry.body.clone()),
            }),
            evidence: Some(evidence.clone()),
            traceparent: traceparent.cloned(),
        });
        self.tokens.insert(at.index, (grant, entry));
        Ok(())
    }

    fn open(&mut self, entry_type: EntryType, body: Vec<u8>, at: &Position, salt: [u8; 32]) -> Result<(), Refusal> {
        let proposed = plain_entry(entry_type, at.time_ms, at.registry_root, salt, body);
        let opening = proposed.opening.as_ref().ok_or(Refusal::OpeningWithheld)?;
        let leaf = plain_leaf(
            entry_type,
            at.time_ms,
            at.registry_root,
            commitment(&opening.salt.0, &opening.body),
        );
        self.extension.append_open(&leaf, opening)?;
        self.entries.push(proposed);
        Ok(())
    }
}

/// An entry that is no token, as it is proposed.
pub fn plain_entry(
    entry_type: EntryType,
    time_ms: u64,
    registry_root: Hash,
    salt: [u8; 32],
    body: Vec<u8>,
) -> ProposedEntry {
    let leaf = plain_leaf(entry_type, time_ms, registry_root, commitment(&salt, &body));
    ProposedEntry {
        leaf: Array(leaf.encode()),
        opening: Some(Opening {
            salt: Array(salt),
            body: Bytes(body),
        }),
        evidence: None,
        traceparent: None,
    }
}
