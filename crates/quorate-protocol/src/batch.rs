//! Judging a proposed batch: the custodian derives every claim, builds every leaf itself and compares.

use crate::{
    Committee, Head,
    key_ring::KeyRing,
    message::{LogEntry, MAX_BATCH, MAX_TRACEPARENT, Opening, Propose, ProposedEntry, note_heads},
    permit::GrantedToken,
    sealing::{BodySealer, seal_to_subject},
    tip::{Extension, Logged, Tip},
};
use quorate_rules::{
    Evidence, Grant, Jti, Refusal, Registry, TokenEntry,
    anchor::{Anchor, Past, check_window},
    body::{KeysBody, TICK},
    cbor::{Array, Bytes, Canonical},
    client_secret::SecretPart,
    enrolment::EnrolmentBody,
    judge::{Presented, judge},
    leaf::{EntryType, Leaf, commitment},
    revocation::RevocationBody,
    token::Position,
};
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;

/// Identifiers that stand in the log and whose evidence is still alive: index of the leaf, and death of the evidence in
/// milliseconds. Older evidence is refused for its age, so this stays small.
#[derive(Debug, Clone, Default)]
pub struct Seen(BTreeMap<[u8; 32], (u64, u64)>);

impl Seen {
    /// Index at which the identifier stands, if it does.
    pub fn index_of(&self, jti: &Jti) -> Option<u64> {
        self.0.get(jti.as_bytes()).map(|(index, _)| *index)
    }

    /// Remembers an identifier.
    pub fn insert(&mut self, jti: [u8; 32], index: u64, dies_ms: u64) {
        self.0.insert(jti, (index, dies_ms));
    }

    /// Forgets what stands at this index or later: those entries were dropped.
    pub fn truncate(&mut self, size: u64) {
        self.0.retain(|_, (index, _)| *index < size);
    }

    /// Forgets what is dead at this time.
    pub fn sweep(&mut self, time_ms: u64) {
        self.0.retain(|_, (_, dies_ms)| *dies_ms >= time_ms);
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A tick less than this after the leaf before it is refused, milliseconds.
pub const TICK_MS: u64 = 20_000;

/// A batch that this custodian has judged and rebuilt.
#[derive(Debug)]
pub struct Judged {
    /// Tip after the batch.
    pub tip: Tip,
    /// Tokens that may be signed once a quorum holds the batch.
    pub tokens: Vec<Logged<GrantedToken>>,
    /// Leaves that stay as attempts without a token.
    pub refused: Vec<(u64, Refusal)>,
    /// Entries to keep.
    pub entries: Vec<LogEntry>,
}

/// What a batch is judged with.
pub struct Judge<'a> {
    /// The committee.
    pub committee: &'a Committee,
    /// Number of this custodian.
    pub number: u16,
    /// Identifiers in the log.
    pub seen: &'a Seen,
    /// This custodian's keys, for the first batch.
    pub keys: &'a KeyRing,
    /// Leaves of this custodian's own log that [`wanted`] names, by index.
    pub leaves: &'a BTreeMap<u64, Vec<u8>>,
    /// This custodian's parts of client secrets, by index of the entry.
    pub secrets: &'a [(u64, SecretPart)],
    /// Leaves are not compared; only a simulator says so.
    #[doc(hidden)]
    pub any_leaf: bool,
}

/// Older leaves that judging a batch takes, by index: those before the taps of sessions, and those that revocations open.
pub fn wanted(proposal: &Propose) -> Vec<u64> {
    let of_entry = |entry: &ProposedEntry| {
        let tapped = entry.evidence.as_ref().and_then(Evidence::asks_for_leaf);
        tapped.or_else(|| opened_by(&entry.leaf.0, entry.opening.as_ref()?))
    };
    proposal.entries.iter().filter_map(of_entry).take(MAX_BATCH).collect()
}

/// Index of the leaf that a revocation opens.
fn opened_by(leaf: &[u8], opening: &Opening) -> Option<u64> {
    let leaf = Leaf::decode(leaf).ok()?;
    if leaf.entry_type != EntryType::Revocation {
        return None;
    }
    let body = RevocationBody::from_canonical(&opening.body).ok()?;
    body.statement()?.ok().map(|statement| statement.index)
}

impl Judge<'_> {
    /// Judges a batch on top of `base`; [`Refusal`]s of single tokens are in the result, any other refuses the whole batch.
    pub fn batch(
        &self,
        base: &Tip,
        proposal: &Propose,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Judged, Refusal> {
        let mut work = Work {
            judge: self,
            base: base.head().size,
            extension: base.extend(),
            sealer: BodySealer::new(&self.committee.audit_key().0, rng),
            in_batch: Seen::default(),
            granted: Vec::new(),
            refused: Vec::new(),
            entries: Vec::new(),
            current: None,
        };
        if proposal.entries.is_empty() || proposal.entries.len() > MAX_BATCH {
            return Err(Refusal::BatchBounds);
        }
        let first = base.head().size == 0;
        if first {
            self.check_first_batch(proposal)?;
        }
        for entry in &proposal.entries {
            work.entry(entry, proposal.time_ms, first, rng)?;
        }
        if work.granted.len() > self.keys.schemes().tokens_at_most(self.committee.rule().threshold()) {
            return Err(Refusal::BatchBounds);
        }
        let tip = work.extension.finish();
        let head = tip.head();
        if head != proposal.head {
            return Err(Refusal::RootMismatch);
        }
        let tokens = work
            .granted
            .into_iter()
            .map(|(index, token)| Logged::new(head, index, token).ok_or(Refusal::RootMismatch))
            .collect::<Result<_, _>>()?;
        let mut entries = work.entries;
        note_heads(base.head().size, &mut entries, tip.heads());
        Ok(Judged {
            tip,
            tokens,
            refused: work.refused,
            entries,
        })
    }

    /// The first batch is exactly this tenant's genesis and the keys of a DKG that this custodian finished.
    fn check_first_batch(&self, proposal: &Propose) -> Result<(), Refusal> {
        let [genesis, keys] = proposal.entries.as_slice() else {
            return Err(Refusal::WrongGenesis);
        };
        let body = |entry: &ProposedEntry| entry.opening.as_ref().map(|opening| opening.body.clone());
        let genesis = body(genesis).ok_or(Refusal::OpeningWithheld)?;
        if genesis.as_ref() != self.committee.genesis() {
            return Err(Refusal::WrongGenesis);
        }
        let keys = body(keys).ok_or(Refusal::OpeningWithheld)?;
        let keys = KeysBody::from_canonical(&keys).map_err(|_| Refusal::WrongGenesis)?;
        if self.keys.is_mine(&keys) {
            Ok(())
        } else {
            Err(Refusal::WrongTranscript)
        }
    }
}

/// The evidence that was judged last, for the further tokens of its grant.
struct Current {
    outcome: Result<Box<Grant>, Refusal>,
    /// Tokens of the grant that have their leaf by now.
    placed: usize,
}

struct Work<'a, 'b> {
    judge: &'a Judge<'b>,
    /// Index of the batch's first entry.
    base: u64,
    extension: Extension,
    sealer: Option<BodySealer>,
    in_batch: Seen,
    granted: Vec<(u64, GrantedToken)>,
    refused: Vec<(u64, Refusal)>,
    entries: Vec<LogEntry>,
    current: Option<Current>,
}

impl Work<'_, '_> {
    fn entry(
        &mut self,
        proposed: &ProposedEntry,
        time_ms: u64,
        first: bool,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<(), Refusal> {
        if proposed
            .traceparent
            .as_ref()
            .is_some_and(|trace| trace.len() > MAX_TRACEPARENT)
        {
            return Err(Refusal::Oversize);
        }
        let leaf = Leaf::decode(&proposed.leaf.0).map_err(|_| Refusal::UnknownEntry)?;
        if leaf.time_ms != time_ms {
            return Err(Refusal::WrongLeafTime);
        }
        let just_changed = self.extension.just_changed();
        let at = self.extension.position(self.judge.committee.log(), time_ms);
        if leaf.registry_root != at.registry_root {
            return Err(Refusal::WrongRegistryRoot);
        }
        let opening = proposed.opening.as_ref().ok_or(Refusal::OpeningWithheld)?;
        if commitment(&opening.salt.0, &opening.body) != leaf.commit {
            return Err(Refusal::OpeningMismatch);
        }
        if leaf.entry_type == EntryType::Token && !first {
            return self.token(&leaf, opening, proposed, &at, rng);
        }
        self.current = None;
        match leaf.entry_type {
            EntryType::Genesis | EntryType::Keys if first => {}
            EntryType::Decision if !first => {}
            EntryType::Enrolment | EntryType::Revocation if !first => {
                let past = Past {
                    heads: self.extension.heads(),
                    leaves: self.judge.leaves,
                };
                check_fresh(
                    self.extension.registry(),
                    &past,
                    leaf.entry_type,
                    &opening.body,
                    time_ms,
                )?;
            }
            EntryType::Tick if !first => {
                if opening.body.as_ref() != TICK {
                    return Err(Refusal::UnknownEntry);
                }
                // Pages prove records under the root that the last leaf names, so a change may be followed at once.
                if time_ms < self.extension.time_ms().saturating_add(TICK_MS) && !just_changed {
                    return Err(Refusal::TickTooSoon);
                }
            }
            _ => return Err(Refusal::UnknownEntry),
        }
        self.open(&leaf, opening)
    }

    fn open(&mut self, leaf: &Leaf, opening: &Opening) -> Result<(), Refusal> {
        if !is_plain(leaf) {
            return Err(Refusal::LeafMismatch);
        }
        self.extension.append_open(leaf, opening)?;
        self.entries.push(LogEntry {
            opening: Some(opening.clone()),
            ..LogEntry::of_leaf(Array(leaf.encode()))
        });
        Ok(())
    }

    fn token(
        &mut self,
        leaf: &Leaf,
        opening: &Opening,
        proposed: &ProposedEntry,
        at: &Position,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<(), Refusal> {
        if let Some(evidence) = &proposed.evidence {
            let outcome = self.grant(evidence, at).map(Box::new);
            self.current = Some(Current { outcome, placed: 0 });
        }
        let current = self.current.as_mut().ok_or(Refusal::OpeningWithheld)?;
        let mut kept = LogEntry::of_leaf(proposed.leaf);
        match &current.outcome {
            Err(refusal) => self.refused.push((at.index, *refusal)),
            Ok(grant) => {
                let kind = grant.tokens().get(current.placed).ok_or(Refusal::LeafMismatch)?;
                let header = self
                    .extension
                    .registry()
                    .signing_header()
                    .ok_or(Refusal::WrongGenesis)?;
                let entry = TokenEntry::build(grant, *kind, at, header, &opening.salt.0);
                let same = entry.leaf == *leaf && entry.body == opening.body.0;
                if !same && !self.judge.any_leaf {
                    return Err(Refusal::LeafMismatch);
                }
                if current.placed == 0 {
                    let jti = grant.jti();
                    self.in_batch.insert(*jti.as_bytes(), at.index, grant.dies_ms());
                    (kept.jti, kept.dies_ms) = (Some(Array(*jti.as_bytes())), Some(grant.dies_ms()));
                }
                let place = (at.log, at.index);
                let subject = grant.subject_tag_key();
                kept.for_subject = subject.and_then(|key| seal_to_subject(key, place, &leaf.hash(), opening, rng));
                let grant = grant.as_ref().clone();
                self.granted.push((at.index, GrantedToken { grant, entry }));
            }
        }
        current.placed = current.placed.saturating_add(1);
        if current.placed > MAX_TOKENS {
            return Err(Refusal::BatchBounds);
        }
        self.extension.append_token(leaf);
        kept.sealed = self
            .sealer
            .as_ref()
            .and_then(|sealer| sealer.seal(at.index, &leaf.hash(), opening))
            .map(|sealed| Bytes(sealed.to_canonical()));
        self.entries.push(kept);
        Ok(())
    }

    /// Judges evidence, and refuses what stands in the log already.
    fn grant(&self, evidence: &Evidence, at: &Position) -> Result<Grant, Refusal> {
        let secret = self.judge.secrets.iter().find(|(index, _)| *index == at.index);
        let presented = Presented {
            evidence,
            secret: secret.map(|(_, part)| (self.judge.number, part)),
        };
        let past = Past {
            heads: self.extension.heads(),
            leaves: self.judge.leaves,
        };
        let grant = judge(self.extension.registry(), &past, presented, at.time_ms)?;
        let jti = grant.jti();
        // What stood from the base on is dropped or proposed anew with this batch, which is a retry and no replay.
        let below = self.judge.seen.index_of(&jti).is_some_and(|index| index < self.base);
        if below || self.in_batch.index_of(&jti).is_some() {
            Err(Refusal::Replayed)
        } else {
            Ok(grant)
        }
    }
}

/// Most tokens of one grant.
const MAX_TOKENS: usize = 2;

/// Whether what a person signed for an open entry is of now, and about this log. Whoever follows under a certificate need not ask.
pub fn check_fresh(
    registry: &Registry,
    past: &Past<'_>,
    entry_type: EntryType,
    body: &[u8],
    time_ms: u64,
) -> Result<(), Refusal> {
    let recent = |anchor: &Anchor| -> Result<(), Refusal> {
        let tenant = registry.tenant().ok_or(Refusal::WrongIssuer)?;
        let keys = registry.keys().ok_or(Refusal::UnknownAnchor)?;
        let origin = tenant.issuer.log_origin(tenant.log);
        check_window(past.recent(anchor, &origin, &keys.log_key)?, time_ms)
    };
    match entry_type {
        EntryType::Enrolment => {
            let body = EnrolmentBody::from_canonical(body).map_err(|_| Refusal::WrongEnrolment)?;
            recent(&body.read_statement()?.anchor)
        }
        EntryType::Revocation => {
            let body = RevocationBody::from_canonical(body).map_err(|_| Refusal::WrongRevocation)?;
            let Some(statement) = body.statement() else {
                return Ok(());
            };
            let statement = statement?;
            recent(&statement.anchor)?;
            match past.leaves.get(&statement.index) {
                Some(leaf) if statement.opens(leaf) => Ok(()),
                _ => Err(Refusal::WrongRevocation),
            }
        }
        _ => Ok(()),
    }
}

/// A leaf that is no token carries no token hash, class or tag.
fn is_plain(leaf: &Leaf) -> bool {
    let plain = plain_leaf(leaf.entry_type, leaf.time_ms, leaf.registry_root, leaf.commit);
    *leaf == plain
}

/// The leaf of an entry that is no token.
pub fn plain_leaf(
    entry_type: EntryType,
    time_ms: u64,
    registry_root: quorate_tlog::hash::Hash,
    commit: quorate_tlog::hash::Hash,
) -> Leaf {
    Leaf {
        entry_type,
        time_ms,
        registry_root,
        token_hash: quorate_tlog::hash::Hash::from([0; 32]),
        commit,
        class: quorate_rules::leaf::Class::None,
        subject_tag: quorate_rules::leaf::Tag::default(),
        client_tag: quorate_rules::leaf::Tag::default(),
    }
}

/// Rebuilds a tip from entries under a certificate: leaves are taken as they are, open entries are folded.
pub fn follow(base: &Tip, committee: &Committee, entries: &[LogEntry]) -> Result<Tip, Refusal> {
    let mut extension = base.extend();
    for entry in entries {
        let leaf = Leaf::decode(&entry.leaf.0).map_err(|_| Refusal::UnknownEntry)?;
        let at = extension.position(committee.log(), leaf.time_ms);
        if leaf.registry_root != at.registry_root {
            return Err(Refusal::WrongRegistryRoot);
        }
        if leaf.entry_type == EntryType::Token {
            extension.append_token(&leaf);
        } else {
            let opening = entry.opening.as_ref().ok_or(Refusal::OpeningWithheld)?;
            extension.append_open(&leaf, opening)?;
        }
    }
    Ok(extension.finish())
}

/// Whether `head` is the head of `tip`.
pub fn is_at(tip: &Tip, head: Head) -> bool {
    tip.head() == head
}
