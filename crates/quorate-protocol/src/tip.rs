//! The tip of a log: frontier, registry and time, and its extension by a batch. Gateway and custodian extend alike.

use crate::{Head, message::Opening};
use quorate_rules::{
    Refusal, Registry,
    anchor::{HeadAt, Heads},
    leaf::{EntryType, Leaf, commitment},
    registry::FoldEntry,
    token::Position,
};
use quorate_tlog::range::CompactRange;
use std::sync::Arc;

/// Everything that the next batch is judged against.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tip {
    range: CompactRange,
    registry: Arc<Registry>,
    time_ms: u64,
    heads: Arc<Heads>,
}

impl Tip {
    /// The tip of the empty log.
    pub fn empty() -> Self {
        Self {
            range: CompactRange::new(),
            registry: Arc::new(Registry::new()),
            time_ms: 0,
            heads: Arc::default(),
        }
    }

    /// A tip as it was saved, with the recent heads up to it.
    pub fn from_parts(range: CompactRange, registry: Arc<Registry>, time_ms: u64, heads: Heads) -> Self {
        let mut tip = Self {
            range,
            registry,
            time_ms,
            heads: Arc::new(heads),
        };
        tip.remember_head();
        tip
    }

    /// Heads that anchors may still name, this one among them.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    /// The same, shared.
    pub fn heads_arc(&self) -> Arc<Heads> {
        Arc::clone(&self.heads)
    }

    fn remember_head(&mut self) {
        let Head { size, root } = self.head();
        if size > 0 && self.heads.at(size).is_none() {
            let time_ms = self.time_ms;
            Arc::make_mut(&mut self.heads).push(HeadAt { size, root, time_ms });
        }
    }

    /// Size and root.
    pub fn head(&self) -> Head {
        Head {
            size: self.range.size(),
            root: self.range.root(),
        }
    }

    /// Compact range of all leaves.
    pub const fn range(&self) -> &CompactRange {
        &self.range
    }

    /// Fold of all entries.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The fold, shared.
    pub fn registry_arc(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    /// Time of the last leaf, milliseconds; 0 for the empty log.
    pub const fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// Begins an extension by entries of one time each.
    pub fn extend(&self) -> Extension {
        Extension { tip: self.clone() }
    }
}

/// A tip that grows entry by entry; the tip that it began from stays as it was.
#[derive(Debug)]
pub struct Extension {
    tip: Tip,
}

impl Extension {
    /// Lets waiting decisions take effect and says where the next entry will stand.
    pub fn position(&mut self, log: u64, time_ms: u64) -> Position {
        let index = self.tip.range.size();
        // Batches follow each other in time, so where the time changes there was a head that anchors may name.
        if time_ms != self.tip.time_ms {
            self.tip.remember_head();
        }
        if self.tip.registry.is_due(time_ms) {
            Arc::make_mut(&mut self.tip.registry).advance(index, time_ms);
        }
        Position {
            log,
            index,
            time_ms,
            registry_root: self.tip.registry.root(),
        }
    }

    /// The registry just before the next entry; call [`Extension::position`] first.
    pub fn registry(&self) -> &Registry {
        &self.tip.registry
    }

    /// Recent heads below the entry.
    pub fn heads(&self) -> &Heads {
        &self.tip.heads
    }

    /// Whether the last leaf changed the registry, so that it names another root than the next one will.
    pub fn just_changed(&self) -> bool {
        let last = self.tip.range.size().checked_sub(1);
        last.is_some() && self.tip.registry.last_change() == last
    }

    /// Time of the last leaf so far, milliseconds.
    pub const fn time_ms(&self) -> u64 {
        self.tip.time_ms
    }

    /// Appends a token's leaf, judged good or not: it changes nothing but the log.
    pub fn append_token(&mut self, leaf: &Leaf) {
        self.tip.range.append(leaf.hash());
        self.tip.time_ms = leaf.time_ms;
    }

    /// Folds an entry that everybody must understand, and appends its leaf.
    pub fn append_open(&mut self, leaf: &Leaf, opening: &Opening) -> Result<(), Refusal> {
        if commitment(&opening.salt.0, &opening.body) != leaf.commit {
            return Err(Refusal::OpeningMismatch);
        }
        let entry = FoldEntry {
            index: self.tip.range.size(),
            entry_type: leaf.entry_type,
            time_ms: leaf.time_ms,
            salt: &opening.salt.0,
            body: &opening.body,
        };
        if leaf.entry_type != EntryType::Tick {
            Arc::make_mut(&mut self.tip.registry).apply(&entry)?;
        }
        self.tip.range.append(leaf.hash());
        self.tip.time_ms = leaf.time_ms;
        Ok(())
    }

    /// The extended tip.
    pub fn finish(mut self) -> Tip {
        self.tip.remember_head();
        self.tip
    }
}

/// Something whose leaf stands in one's own log under this head. Made only where a judged batch becomes one's own head.
#[derive(Debug)]
pub struct Logged<T> {
    head: Head,
    index: u64,
    item: T,
}

impl<T> Logged<T> {
    /// `index` must be below the size of `head`, which the caller has just made its own and will not answer for before it is
    /// durable.
    pub(crate) fn new(head: Head, index: u64, item: T) -> Option<Self> {
        if index < head.size {
            Some(Self { head, index, item })
        } else {
            None
        }
    }

    /// The head.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Index of the leaf.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// What stands there.
    pub const fn item(&self) -> &T {
        &self.item
    }
}
