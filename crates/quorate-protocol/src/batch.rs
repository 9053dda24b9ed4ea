//! Judging a proposed batch: the custodian derives every claim, builds every leaf itself and compares.

use crate::{
    Committee, Head,
    key_ring::KeyRing,
    message::{LogEntry, MAX_BATCH, MAX_TRACEPARENT, Opening, Propose, ProposedEntry},
    permit::GrantedToken,
    sealing::BodySealer,
    tip::{Extension, Logged, Tip},
};
use quorate_rules::{
    Jti, Refusal, TokenEntry,
    body::{KeysBody, TICK},
    cbor::{Array, Bytes, Canonical},
    judge::judge,
    leaf::{EntryType, Leaf, commitment},
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
    /// Identifiers in the log.
    pub seen: &'a Seen,
    /// This custodian's keys, for the first batch.
    pub keys: &'a KeyRing,
    /// Leaves are not compared; only a simulator says so.
    #[doc(hidden)]
    pub any_leaf: bool,
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
            extension: base.extend(),
            sealer: BodySealer::new(&self.committee.audit_key().0, rng),
            in_batch: Seen::default(),
            granted: Vec::new(),
            refused: Vec::new(),
            entries: Vec::new(),
        };
        if proposal.entries.is_empty() || proposal.entries.len() > MAX_BATCH {
            return Err(Refusal::BatchBounds);
        }
        let first = base.head().size == 0;
        if first {
            self.check_first_batch(proposal)?;
        }
        for entry in &proposal.entries {
            work.entry(entry, proposal.time_ms, first)?;
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
        Ok(Judged {
            tip,
            tokens,
            refused: work.refused,
            entries: work.entries,
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

struct Work<'a, 'b> {
    judge: &'a Judge<'b>,
    extension: Extension,
    sealer: Option<BodySealer>,
    in_batch: Seen,
    granted: Vec<(u64, GrantedToken)>,
    refused: Vec<(u64, Refusal)>,
    entries: Vec<LogEntry>,
}

impl Work<'_, '_> {
    fn entry(&mut self, proposed: &ProposedEntry, time_ms: u64, first: bool) -> Result<(), Refusal> {
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
        let at = self.extension.position(self.judge.committee.log(), time_ms);
        if leaf.registry_root != at.registry_root {
            return Err(Refusal::WrongRegistryRoot);
        }
        let opening = proposed.opening.as_ref().ok_or(Refusal::OpeningWithheld)?;
        if commitment(&opening.salt.0, &opening.body) != leaf.commit {
            return Err(Refusal::OpeningMismatch);
        }
        match leaf.entry_type {
            EntryType::Token if !first => self.token(&leaf, opening, proposed, &at),
            EntryType::Genesis | EntryType::Keys if first => self.open(&leaf, opening),
            EntryType::Decision if !first => self.open(&leaf, opening),
            EntryType::Tick if !first => {
                if opening.body.as_ref() != TICK {
                    return Err(Refusal::UnknownEntry);
                }
                if time_ms < self.extension.time_ms().saturating_add(TICK_MS) {
                    return Err(Refusal::TickTooSoon);
                }
                self.open(&leaf, opening)
            }
            _ => Err(Refusal::UnknownEntry),
        }
    }

    fn open(&mut self, leaf: &Leaf, opening: &Opening) -> Result<(), Refusal> {
        if !is_plain(leaf) {
            return Err(Refusal::LeafMismatch);
        }
        self.extension.append_open(leaf, opening)?;
        self.entries.push(LogEntry {
            leaf: Array(leaf.encode()),
            opening: Some(opening.clone()),
            sealed: None,
            jti: None,
            dies_ms: None,
        });
        Ok(())
    }

    fn token(
        &mut self,
        leaf: &Leaf,
        opening: &Opening,
        proposed: &ProposedEntry,
        at: &Position,
    ) -> Result<(), Refusal> {
        let evidence = proposed.evidence.as_ref().ok_or(Refusal::OpeningWithheld)?;
        let mut local = (None, None);
        match judge(self.extension.registry(), evidence, at.time_ms) {
            Err(refusal) => self.refused.push((at.index, refusal)),
            Ok(grant) => {
                let header = self
                    .extension
                    .registry()
                    .signing_header()
                    .ok_or(Refusal::WrongGenesis)?;
                let entry = TokenEntry::build(&grant, at, header, &opening.salt.0);
                let same = entry.leaf == *leaf && entry.body == opening.body.0;
                if !same && !self.judge.any_leaf {
                    return Err(Refusal::LeafMismatch);
                }
                let jti = grant.jti();
                // Its own index means that this very leaf is proposed anew, which is a retry and no replay.
                let elsewhere = self.judge.seen.index_of(&jti).is_some_and(|index| index != at.index);
                if elsewhere || self.in_batch.index_of(&jti).is_some() {
                    self.refused.push((at.index, Refusal::Replayed));
                } else {
                    self.in_batch.insert(*jti.as_bytes(), at.index, grant.dies_ms());
                    local = (Some(Array(*jti.as_bytes())), Some(grant.dies_ms()));
                    self.granted.push((at.index, GrantedToken { grant, entry }));
                }
            }
        }
        self.extension.append_token(leaf);
        let sealed = self
            .sealer
            .as_ref()
            .and_then(|sealer| sealer.seal(at.index, &leaf.hash(), opening))
            .map(|sealed| Bytes(sealed.to_canonical()));
        self.entries.push(LogEntry {
            leaf: proposed.leaf,
            opening: None,
            sealed,
            jti: local.0,
            dies_ms: local.1,
        });
        Ok(())
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
