//! Building a batch: the gateway judges early with the same code as the custodians, so that what it proposes is what they build.

use super::{Batch, Coordinator, Placed, PresentedSecret};
use crate::{
    batch::{Seen, TICK_MS, check_fresh, plain_leaf},
    message::{MAX_BATCH, Opening, ProposedEntry},
    tip::Extension,
};
use quorate_rules::{
    Evidence, Grant, Refusal, TokenEntry,
    anchor::Past,
    body::{DecisionBody, TICK},
    cbor::{Array, Bytes, Canonical},
    client_secret::SecretPart,
    enrolment::EnrolmentBody,
    judge::{Presented, judge},
    leaf::{EntryType, commitment},
    revocation::RevocationBody,
    token::Position,
};
use quorate_tlog::hash::Hash;
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;

/// What somebody asks for.
#[derive(Debug, Clone)]
pub enum Order {
    /// Tokens.
    Token(TokenOrder),
    /// A decision.
    Decision(DecisionBody),
    /// A person's passkey.
    Enrolment(EnrolmentBody),
    /// Tokens or a session are stopped; with the leaf that the revocation opens, as the own log holds it.
    Revocation(RevocationBody, BTreeMap<u64, Vec<u8>>),
    /// Nothing but a newer checkpoint.
    Tick,
}

/// Asks for the tokens of one piece of evidence.
#[derive(Debug, Clone)]
pub struct TokenOrder {
    /// Evidence.
    pub evidence: Evidence,
    /// The client secret, where one was presented.
    pub secret: Option<PresentedSecret>,
    /// Leaves of the own log that judging takes.
    pub leaves: BTreeMap<u64, Vec<u8>>,
    /// The grant, if it was judged already, with the root of the registry that it was judged against; used while that root is still in
    /// force.
    pub judged: Option<(Hash, Grant)>,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
    /// It was in a batch that came to nothing, and its sender has waited since.
    pub shown: bool,
}

impl TokenOrder {
    /// Nothing but the evidence.
    pub const fn of(evidence: Evidence) -> Self {
        Self {
            evidence,
            secret: None,
            leaves: BTreeMap::new(),
            judged: None,
            traceparent: None,
            shown: false,
        }
    }
}

struct Builder<'a> {
    log: u64,
    time_ms: u64,
    extension: Extension,
    entries: Vec<ProposedEntry>,
    tokens: BTreeMap<u64, Placed>,
    secrets: BTreeMap<u64, PresentedSecret>,
    in_batch: Seen,
    seen: &'a Seen,
    shown: &'a BTreeMap<[u8; 32], u64>,
}

impl Coordinator {
    /// Judges and builds a batch of at most [`MAX_BATCH`] entries, and of no more tokens than the scheme can carry; refused orders are
    /// named in the result and take no place, and so are those that no longer fit.
    pub fn build(&self, orders: &[Order], now_ms: u64, rng: &mut (impl CryptoRng + RngCore)) -> Batch {
        let mut builder = self.builder(now_ms);
        let (mut placed, mut refused, mut left) = (BTreeMap::new(), Vec::new(), Vec::new());
        let most_tokens = self.schemes.tokens_at_most(self.committee.rule().threshold());
        for (number, order) in orders.iter().enumerate() {
            let first = self.tip.head().size.saturating_add(builder.entries.len() as u64);
            let too_long = builder.entries.len().saturating_add(order.entries_at_most()) > MAX_BATCH;
            let tokens = builder.tokens.len().saturating_add(order.tokens_at_most());
            if too_long || tokens > most_tokens {
                left.push(number);
                continue;
            }
            let outcome = match order {
                Order::Token(order) => builder.tokens(order, rng),
                Order::Tick => builder.tick(rng),
                Order::Decision(body) => builder.open(EntryType::Decision, body.to_canonical(), rng),
                Order::Enrolment(body) => {
                    let leaves = BTreeMap::new();
                    builder.signed_by_person(EntryType::Enrolment, body.to_canonical(), &leaves, rng)
                }
                Order::Revocation(body, leaves) => {
                    builder.signed_by_person(EntryType::Revocation, body.to_canonical(), leaves, rng)
                }
            };
            match outcome {
                Ok(()) => {
                    let end = self.tip.head().size.saturating_add(builder.entries.len() as u64);
                    placed.extend((first..end).map(|index| (index, number)));
                }
                Err(refusal) => refused.push((number, refusal)),
            }
        }
        self.finish(builder, placed, refused, left)
    }

    /// Builds the first batch: genesis, and the keys that every custodian certified.
    pub fn build_first(
        &self,
        keys: Vec<u8>,
        now_ms: u64,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Batch, Refusal> {
        let mut builder = self.builder(now_ms);
        builder.open(EntryType::Genesis, self.committee.genesis().to_vec(), rng)?;
        builder.open(EntryType::Keys, keys, rng)?;
        Ok(self.finish(builder, BTreeMap::new(), Vec::new(), Vec::new()))
    }

    fn builder(&self, now_ms: u64) -> Builder<'_> {
        Builder {
            log: self.committee.log(),
            // Time never runs backwards in the log, whatever this machine's clock does, and no two batches share one, so that where the
            // time changes there was a head.
            time_ms: now_ms.max(self.tip.time_ms().saturating_add(1)),
            extension: self.tip.extend(),
            entries: Vec::new(),
            tokens: BTreeMap::new(),
            secrets: BTreeMap::new(),
            in_batch: Seen::default(),
            seen: &self.seen,
            shown: &self.shown,
        }
    }

    fn finish(
        &self,
        builder: Builder<'_>,
        placed: BTreeMap<u64, usize>,
        refused: Vec<(usize, Refusal)>,
        left: Vec<usize>,
    ) -> Batch {
        Batch {
            view: self.view,
            parent: self.certificate.clone(),
            new_view: self.new_view.clone(),
            first: self.tip.head().size,
            tip: builder.extension.finish(),
            time_ms: builder.time_ms,
            entries: builder.entries,
            tokens: builder.tokens,
            secrets: builder.secrets,
            placed,
            refused,
            left,
        }
    }
}

impl Order {
    /// Most entries that it may take.
    const fn entries_at_most(&self) -> usize {
        match self {
            Self::Token(TokenOrder {
                evidence: Evidence::SignIn(..),
                ..
            }) => 2,
            _ => 1,
        }
    }

    /// Most tokens that it may take.
    const fn tokens_at_most(&self) -> usize {
        match self {
            Self::Token(_) => self.entries_at_most(),
            _ => 0,
        }
    }
}

fn salt(rng: &mut (impl CryptoRng + RngCore)) -> [u8; 32] {
    let mut salt = [0; 32];
    rng.fill_bytes(&mut salt);
    salt
}

impl Builder<'_> {
    fn tokens(&mut self, order: &TokenOrder, rng: &mut (impl CryptoRng + RngCore)) -> Result<(), Refusal> {
        let at = self.extension.position(self.log, self.time_ms);
        let grant = self.grant(order, &at)?;
        let jti = grant.jti();
        if !order.shown && self.shown.contains_key(jti.as_bytes()) {
            return Err(Refusal::AlreadyShown);
        }
        if self.seen.index_of(&jti).is_some() || self.in_batch.index_of(&jti).is_some() {
            return Err(Refusal::Replayed);
        }
        let header = self
            .extension
            .registry()
            .signing_header()
            .ok_or(Refusal::UnknownClient)?
            .clone();
        self.in_batch.insert(*jti.as_bytes(), at.index, grant.dies_ms());
        if let Some(secret) = &order.secret {
            self.secrets.insert(at.index, secret.clone());
        }
        for (number, kind) in grant.tokens().iter().enumerate() {
            let at = self.extension.position(self.log, self.time_ms);
            let salt = salt(rng);
            let entry = TokenEntry::build(&grant, *kind, &at, &header, &salt);
            self.extension.append_token(&entry.leaf);
            let first = number == 0;
            self.entries.push(ProposedEntry {
                leaf: Array(entry.leaf.encode()),
                opening: Some(Opening {
                    salt: Array(salt),
                    body: Bytes(entry.body.clone()),
                }),
                evidence: first.then(|| order.evidence.clone()),
                traceparent: order.traceparent.clone().filter(|_| first),
            });
            let (grant, kind) = (grant.clone(), *kind);
            self.tokens.insert(at.index, Placed { grant, kind, entry });
        }
        Ok(())
    }

    fn grant(&self, order: &TokenOrder, at: &Position) -> Result<Grant, Refusal> {
        if let Some((root, grant)) = &order.judged
            && *root == at.registry_root
        {
            return grant.check_time(at.time_ms).map(|()| grant.clone());
        }
        let registry = self.extension.registry();
        let issuer = registry.issuer().ok_or(Refusal::UnknownClient)?;
        // Any custodian's part tells whether the secret is right.
        let part = order
            .secret
            .as_ref()
            .map(|presented| SecretPart::derive(&presented.secret, issuer, &presented.client, 1));
        let presented = Presented {
            evidence: &order.evidence,
            secret: part.as_ref().map(|part| (1, part)),
        };
        let past = Past {
            heads: self.extension.heads(),
            leaves: &order.leaves,
        };
        judge(registry, &past, presented, at.time_ms)
    }

    fn tick(&mut self, rng: &mut (impl CryptoRng + RngCore)) -> Result<(), Refusal> {
        let just_changed = self.extension.just_changed();
        if self.time_ms < self.extension.time_ms().saturating_add(TICK_MS) && !just_changed {
            return Err(Refusal::TickTooSoon);
        }
        self.open(EntryType::Tick, TICK.to_vec(), rng)
    }

    /// An entry that a person signed, which must be of now.
    fn signed_by_person(
        &mut self,
        entry_type: EntryType,
        body: Vec<u8>,
        leaves: &BTreeMap<u64, Vec<u8>>,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<(), Refusal> {
        self.extension.position(self.log, self.time_ms);
        let past = Past {
            heads: self.extension.heads(),
            leaves,
        };
        check_fresh(self.extension.registry(), &past, entry_type, &body, self.time_ms)?;
        self.open(entry_type, body, rng)
    }

    fn open(
        &mut self,
        entry_type: EntryType,
        body: Vec<u8>,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<(), Refusal> {
        let at = self.extension.position(self.log, self.time_ms);
        let proposed = plain_entry(entry_type, at.time_ms, at.registry_root, salt(rng), body);
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
