//! What must hold after every event, seen from outside of every machine.

use crate::{
    disk::Disk,
    founding::{Founded, judged},
};
use quorate_protocol::{
    Head, View,
    message::{Commit, Committed, LogEntry, Outputs, Propose, ProposedEntry, Purpose, Voted},
    permit::checkpoint_text,
    saved::SavedState,
    tip::Tip,
    vote::rank,
};
use quorate_rules::{
    TokenEntry,
    cbor::Canonical,
    grant::TokenKind,
    leaf::{EntryType, Leaf},
};
use quorate_tlog::hash::{Hash, sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What went wrong, beginning with the name of the invariant.
pub type Violation = String;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(what()) }
}

/// A token that a batch may give.
pub struct GoodToken {
    digest: Hash,
    jti: [u8; 32],
    leaf_is_built: bool,
}

/// A batch that was proposed by anybody.
pub struct Block {
    pub parent: Head,
    pub tip: Tip,
    pub entries: Vec<LogEntry>,
    tokens: BTreeMap<u64, GoodToken>,
}

type SessionKey = (View, Head, u16, Vec<u16>, Purpose);

/// Everything that was seen.
pub struct Watch {
    founded: &'static Founded,
    pub liar: Option<u16>,
    pub blocks: BTreeMap<Head, Block>,
    persisted: BTreeMap<Head, BTreeSet<u16>>,
    votes: BTreeMap<(View, Head), BTreeSet<u16>>,
    shares: BTreeMap<SessionKey, BTreeSet<u16>>,
    used: BTreeMap<(u16, Vec<u8>), Vec<u8>>,
    quorums: BTreeSet<(View, Head)>,
    signed_heads: BTreeSet<(View, Head)>,
    signed_tokens: BTreeMap<[u8; 32], BTreeSet<Hash>>,
}

impl Watch {
    pub fn new(founded: &'static Founded, liar: Option<u16>) -> Self {
        let mut blocks = BTreeMap::new();
        let mut parent = Head::empty();
        for (tip, _) in &founded.certified {
            let head = tip.head();
            let entries = (parent.size..head.size)
                .map(|index| LogEntry::from_canonical(&founded.disks[0].entries[&index]).unwrap())
                .collect();
            let tokens = BTreeMap::new();
            blocks.insert(
                head,
                Block {
                    parent,
                    tip: tip.clone(),
                    entries,
                    tokens,
                },
            );
            parent = head;
        }
        let mut watch = Self {
            founded,
            liar,
            blocks,
            persisted: BTreeMap::new(),
            votes: BTreeMap::new(),
            shares: BTreeMap::new(),
            used: BTreeMap::new(),
            quorums: BTreeSet::new(),
            signed_heads: BTreeSet::new(),
            signed_tokens: BTreeMap::new(),
        };
        watch
            .signed_heads
            .insert((founded.certificate.view, founded.certificate.head));
        watch
    }

    /// Folds a proposed batch, so that its head can be extended, followed and judged from outside.
    pub fn register(&mut self, base: &Tip, time_ms: u64, proposed: &[ProposedEntry]) -> Head {
        let mut extension = base.extend();
        let (mut entries, mut tokens) = (Vec::new(), BTreeMap::new());
        for entry in proposed {
            let leaf = Leaf::decode(&entry.leaf.0).unwrap();
            let at = extension.position(1, time_ms);
            let opening = entry.opening.as_ref().unwrap();
            let token = leaf.entry_type == EntryType::Token;
            if token {
                if let Ok(grant) = judged(extension.registry(), entry.evidence.as_ref().unwrap(), time_ms) {
                    let header = extension.registry().signing_header().unwrap();
                    let built = TokenEntry::build(&grant, TokenKind::Access, &at, header, &opening.salt.0);
                    tokens.insert(
                        at.index,
                        GoodToken {
                            digest: sha256(&[built.signing_input.as_bytes()]),
                            jti: *grant.jti().as_bytes(),
                            leaf_is_built: built.leaf == leaf,
                        },
                    );
                }
                extension.append_token(&leaf);
            } else {
                extension.append_open(&leaf, opening).unwrap();
            }
            entries.push(LogEntry {
                opening: (!token).then(|| opening.clone()),
                ..LogEntry::of_leaf(entry.leaf)
            });
        }
        let tip = extension.finish();
        let head = tip.head();
        let parent = base.head();
        self.blocks.entry(head).or_insert(Block {
            parent,
            tip,
            entries,
            tokens,
        });
        head
    }

    /// Whether the one head is a prefix of the other.
    pub fn is_prefix(&self, prefix: Head, mut head: Head) -> bool {
        while head.size > prefix.size {
            let Some(block) = self.blocks.get(&head) else {
                return false;
            };
            head = block.parent;
        }
        head == prefix
    }

    fn related(&self, a: Head, b: Head) -> bool {
        self.is_prefix(a, b) || self.is_prefix(b, a)
    }

    /// Entries that lead from one head to another that extends it.
    pub fn entries_between(&self, from: Head, to: Head) -> Option<Vec<LogEntry>> {
        let (mut head, mut pieces) = (to, Vec::new());
        while head.size > from.size {
            let block = self.blocks.get(&head)?;
            pieces.push(&block.entries);
            head = block.parent;
        }
        (head == from).then(|| pieces.into_iter().rev().flatten().cloned().collect())
    }

    /// S11, and which heads are durable where.
    pub fn written(&mut self, custodian: u16, before: Option<&SavedState>, disk: &Disk) -> Result<(), Violation> {
        for head in disk.heads() {
            self.persisted.entry(head).or_default().insert(custodian);
        }
        let (Some(before), Some(after)) = (before, disk.saved_state()) else {
            return Ok(());
        };
        if after.lock != before.lock {
            let genuine = after
                .lock
                .as_ref()
                .is_some_and(|lock| lock.verify(&self.founded.committee).is_ok());
            ensure(genuine, || {
                format!("S3: custodian {custodian} is locked by what no quorum voted for")
            })?;
        }
        let order = |state: &SavedState| (state.view, rank(state.lock.as_ref()), state.incarnation);
        let (old, new) = (order(before), order(&after));
        ensure(
            old.0 <= new.0 && old.1 <= new.1 && old.2 <= new.2 && (!before.amnesic || after.amnesic),
            || format!("S11: custodian {custodian} went back from {old:?} to {new:?}"),
        )
    }

    /// An honest custodian's vote leaves.
    pub fn voted(
        &mut self,
        custodian: u16,
        (proposal, voted): (&Propose, &Voted),
        (view_before, disk): (View, &Disk),
    ) -> Result<(), Violation> {
        let (view, head) = (proposal.view, proposal.head);
        ensure(voted.vote.verify(&self.founded.committee, view, head).is_ok(), || {
            format!("S3: custodian {custodian} sent a vote that is none")
        })?;
        ensure(view >= view_before, || {
            format!("S11: custodian {custodian} voted in view {view} after it entered {view_before}")
        })?;
        let durable = disk.saved_state().and_then(|state| state.last_vote);
        let is_durable = durable.is_some_and(|vote| (vote.view, vote.head) == (view, head));
        ensure(is_durable && disk.heads().contains(&head), || {
            format!("S2: custodian {custodian} voted for {head} before it was durable")
        })?;
        for (_, other) in self
            .votes
            .iter()
            .filter(|((v, _), who)| *v == view && who.contains(&custodian))
            .map(|(k, _)| k)
        {
            ensure(self.related(*other, head), || {
                format!("S3: custodian {custodian} voted for {other} and {head} in view {view}")
            })?;
        }
        let voters = self.votes.entry((view, head)).or_default();
        voters.insert(custodian);
        let count = voters.len() + usize::from(self.liar.is_some());
        if count >= 3 && self.quorums.insert((view, head)) {
            self.check_quorum(view, head)?;
        }
        Ok(())
    }

    /// S3 and S4: no two quorums of one view exclude each other, and none excludes what was signed before.
    fn check_quorum(&self, view: View, head: Head) -> Result<(), Violation> {
        for (other_view, other) in &self.quorums {
            ensure(*other_view != view || self.related(*other, head), || {
                format!("S3: {other} and {head} both have a quorum in view {view}")
            })?;
        }
        for (signed_view, signed) in &self.signed_heads {
            ensure(*signed_view > view || self.related(*signed, head), || {
                format!("S4: {head} has a quorum in view {view}, but {signed} was signed in view {signed_view}")
            })?;
        }
        Ok(())
    }

    /// An honest custodian's shares leave.
    pub fn committed(
        &mut self,
        custodian: u16,
        (commit, committed): (&Commit, &Committed),
        disk: &Disk,
    ) -> Result<(), Violation> {
        let (view, head) = (commit.certificate.view, commit.certificate.head);
        let outputs = Outputs::from_canonical(&committed.outputs.list).unwrap();
        if outputs.items.is_empty() {
            return Ok(());
        }
        self.invariant_signed_means_logged(custodian, commit, disk)?;
        let own = commit.lists.iter().find(|list| list.custodian == custodian).unwrap();
        let own = Outputs::from_canonical(&own.list).unwrap();
        let signers: Vec<u16> = commit.lists.iter().map(|list| list.custodian).collect();
        for item in &outputs.items {
            let committed = own.items.iter().find(|made| made.purpose == item.purpose).unwrap();
            // S5: one nonce pair, one share. A scheme that commits to single others only says nothing to all before its last round.
            if !committed.bytes.is_empty() {
                let used = self
                    .used
                    .entry((custodian, committed.bytes.0.clone()))
                    .or_insert_with(|| item.bytes.0.clone());
                ensure(*used == item.bytes.0, || {
                    format!("S5: custodian {custodian} used one nonce pair twice, last for {head}")
                })?;
            }
            let mut jti = None;
            if item.purpose == Purpose::Checkpoint {
                let text = checkpoint_text(self.founded.committee.origin(), head).unwrap();
                ensure(item.digest == sha256(&[text.as_bytes()]), || {
                    format!("S3: custodian {custodian} signed another checkpoint than that of {head}")
                })?;
            }
            if let Purpose::Token(index) = item.purpose {
                let token = self.blocks.get(&head).and_then(|block| block.tokens.get(&index));
                ensure(token.is_some_and(|token| token.digest == item.digest), || {
                    format!("S1: custodian {custodian} signed at {index} of {head} what no evidence grants")
                })?;
                ensure(token.is_some_and(|token| token.leaf_is_built), || {
                    format!("S2: custodian {custodian} signed at {index} of {head} what is not in the leaf")
                })?;
                jti = token.map(|token| token.jti);
            }
            let key = (view, head, commit.attempt, signers.clone(), item.purpose);
            let givers = self.shares.entry(key).or_default();
            givers.insert(custodian);
            let helped = self.liar.is_some_and(|liar| signers.contains(&liar));
            if givers.len() + usize::from(helped) >= 3 {
                self.signed((view, head), item.digest, jti)?;
            }
        }
        Ok(())
    }

    fn invariant_signed_means_logged(&self, custodian: u16, commit: &Commit, disk: &Disk) -> Result<(), Violation> {
        let (view, head) = (commit.certificate.view, commit.certificate.head);
        let holders = self.persisted.get(&head).map_or(0, |holders| {
            holders.iter().filter(|holder| Some(**holder) != self.liar).count()
        });
        ensure(holders + usize::from(self.liar.is_some()) >= 3, || {
            format!("S2: custodian {custodian} signed {head} when {holders} honest ones held it")
        })?;
        let state = disk.saved_state().unwrap();
        ensure(rank(state.lock.as_ref()) >= (view, head.size), || {
            format!("S4: custodian {custodian} signed {head} of view {view} before its lock was durable")
        })?;
        let locked = state.lock.as_ref().map_or_else(Head::empty, |lock| lock.head);
        ensure(self.is_prefix(head, locked), || {
            format!("S4: custodian {custodian} signed {head} off its locked branch, which ends at {locked}")
        })?;
        ensure(disk.heads().contains(&head), || {
            format!("S2: custodian {custodian} signed {head} without having it")
        })
    }

    /// What can be put together to a signature exists.
    fn signed(&mut self, (view, head): (View, Head), digest: Hash, jti: Option<[u8; 32]>) -> Result<(), Violation> {
        if self.signed_heads.insert((view, head)) {
            for (other_view, other) in &self.signed_heads {
                ensure(self.related(*other, head), || {
                    format!("S3: {other} of view {other_view} and {head} of view {view} are both signed")
                })?;
            }
            for (quorum_view, quorum) in self.quorums.iter().filter(|(quorum_view, _)| *quorum_view >= view) {
                ensure(self.related(*quorum, head), || {
                    format!("S4: {head} is signed in view {view} off {quorum} of view {quorum_view}")
                })?;
            }
        }
        if let Some(jti) = jti {
            let tokens = self.signed_tokens.entry(jti).or_default();
            tokens.insert(digest);
            ensure(tokens.len() == 1, || {
                format!("S9: one evidence gave two tokens, last at {head}")
            })?;
        }
        Ok(())
    }
}
