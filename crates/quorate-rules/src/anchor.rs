//! Anchors: a certified head of the tenant's own log, which says no earlier than when something was signed (PROTOCOL §3).

use crate::{
    Refusal,
    cbor::{self, Array},
    jwk::PublicJwk,
};
use minicbor::{Decode, Encode};
use quorate_tlog::{
    checkpoint::{Checkpoint, Origin},
    hash::Hash,
};
use std::collections::{BTreeMap, VecDeque};

/// The one freshness window: a batch is at most so long after its grants' anchors, milliseconds.
pub const WINDOW_MS: u64 = 300_000;

/// A certified head as a page names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Anchor {
    /// Size of the log.
    #[n(0)]
    pub size: u64,
    /// Its root.
    #[cbor(n(1), with = "cbor::hash")]
    pub root: Hash,
    /// Signature of the log key over the checkpoint's note text.
    #[n(2)]
    pub sig: Array<64>,
}

impl Anchor {
    /// Whether the log key signed the checkpoint of this head.
    fn is_signed(&self, origin: &str, log_key: &Array<32>) -> bool {
        let Ok(origin) = Origin::new(origin) else {
            return false;
        };
        let text = Checkpoint {
            origin,
            size: self.size,
            root: self.root,
        }
        .text();
        PublicJwk::Ed25519(*log_key).verify(text.as_bytes(), &self.sig.0)
    }
}

/// A head of one's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadAt {
    /// Size.
    pub size: u64,
    /// Root.
    pub root: Hash,
    /// Time of its last leaf, milliseconds.
    pub time_ms: u64,
}

/// The heads of one's own log that anchors may still name, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heads(VecDeque<HeadAt>);

impl Heads {
    /// Most heads that are remembered: more than [`WINDOW_MS`] of them at 20 batches a second.
    pub const MAX: usize = 8192;

    /// Remembers a head that extends the newest, and forgets those that are too old for any anchor.
    pub fn push(&mut self, head: HeadAt) {
        while self
            .0
            .front()
            .is_some_and(|oldest| self.0.len() >= Self::MAX || oldest.time_ms.saturating_add(WINDOW_MS) < head.time_ms)
        {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|newest| newest.size < head.size) {
            self.0.push_back(head);
        }
    }

    /// The head of this size.
    pub fn at(&self, size: u64) -> Option<&HeadAt> {
        let place = self.0.binary_search_by_key(&size, |head| head.size).ok()?;
        self.0.get(place)
    }
}

/// What a judge knows of the past of its own log.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// Recent heads.
    pub heads: &'a Heads,
    /// Encoded leaves that were asked for, by index; those that the log does not hold are missing.
    pub leaves: &'a BTreeMap<u64, Vec<u8>>,
}

impl Past<'_> {
    /// Time of an anchor among the recent heads, milliseconds.
    pub fn recent(&self, anchor: &Anchor, origin: &str, log_key: &Array<32>) -> Result<u64, Refusal> {
        let head = self.heads.at(anchor.size).ok_or(Refusal::UnknownAnchor)?;
        if head.root == anchor.root && anchor.is_signed(origin, log_key) {
            Ok(head.time_ms)
        } else {
            Err(Refusal::UnknownAnchor)
        }
    }

    /// Time of an older anchor, milliseconds: the log key vouches for the head, and the leaf is one's own.
    pub fn older(&self, anchor: &Anchor, origin: &str, log_key: &Array<32>) -> Result<u64, Refusal> {
        if let Ok(time_ms) = self.recent(anchor, origin, log_key) {
            return Ok(time_ms);
        }
        if !anchor.is_signed(origin, log_key) {
            return Err(Refusal::UnknownAnchor);
        }
        let index = anchor.size.checked_sub(1).ok_or(Refusal::UnknownAnchor)?;
        let leaf = self.leaves.get(&index).ok_or(Refusal::UnknownAnchor)?;
        let leaf = crate::Leaf::decode(leaf).map_err(|_| Refusal::UnknownAnchor)?;
        Ok(leaf.time_ms)
    }
}

/// Whether a batch of this time may use an anchor of that time.
pub fn check_window(anchor_ms: u64, batch_ms: u64) -> Result<(), Refusal> {
    if batch_ms < anchor_ms {
        Err(Refusal::AnchorAhead)
    } else if batch_ms.saturating_sub(anchor_ms) > WINDOW_MS {
        Err(Refusal::StaleAnchor)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64, time_ms: u64) -> HeadAt {
        let root = Hash::from([u8::try_from(size % 251).unwrap(); 32]);
        HeadAt { size, root, time_ms }
    }

    #[test]
    fn heads_are_found_by_size_and_forgotten_by_age_and_number() {
        let mut heads = Heads::default();
        for size in [2, 5, 9] {
            heads.push(head(size, size * 1000));
        }
        heads.push(head(9, 9000));
        assert_eq!(heads.at(5), Some(&head(5, 5000)));
        assert_eq!((heads.at(6), heads.0.len()), (None, 3));
        heads.push(head(10, 5_001 + WINDOW_MS));
        assert_eq!((heads.at(5), heads.at(9)), (None, Some(&head(9, 9000))));
        for size in 11..20_000 {
            heads.push(head(size, 5_001 + WINDOW_MS));
        }
        assert_eq!(heads.0.len(), Heads::MAX);
    }

    #[test]
    fn the_window_is_closed_on_both_sides() {
        assert_eq!(check_window(1000, 999), Err(Refusal::AnchorAhead));
        assert_eq!(check_window(1000, 1000), Ok(()));
        assert_eq!(check_window(1000, 1000 + WINDOW_MS), Ok(()));
        assert_eq!(check_window(1000, 1001 + WINDOW_MS), Err(Refusal::StaleAnchor));
    }
}
