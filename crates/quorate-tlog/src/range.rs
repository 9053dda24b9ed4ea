//! Compact ranges: the frontier of an append-only tree, one hash per 1-bit of its size. Whoever keeps one recomputes every root
//! by itself and needs no consistency proof.

use crate::hash::{Hash, empty_root, node_hash};

/// The perfect subtrees of a tree from left to right, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompactRange {
    size: u64,
    hashes: Vec<Hash>,
}

/// A complete interior node that an append has just finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Height above the leaves; a leaf is at level 0.
    pub level: u8,
    /// Position at its level, from the left.
    pub index: u64,
    /// Its hash.
    pub hash: Hash,
}

/// The parts do not make a compact range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a compact range has one hash per 1-bit of its size")]
pub struct BadRange;

impl CompactRange {
    /// The empty range.
    pub const fn new() -> Self {
        Self {
            size: 0,
            hashes: Vec::new(),
        }
    }

    /// A range of `size` leaves with its hashes, largest subtree first.
    pub fn from_parts(size: u64, hashes: Vec<Hash>) -> Result<Self, BadRange> {
        if hashes.len() == size.count_ones() as usize {
            Ok(Self { size, hashes })
        } else {
            Err(BadRange)
        }
    }

    /// Leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Hashes of the perfect subtrees, largest first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Appends a leaf hash.
    pub fn append(&mut self, leaf: Hash) {
        self.append_with(leaf, |_| {});
    }

    /// Appends a leaf hash and names every node that it completes, the leaf itself included, lowest first. A range of 2^64 − 1 leaves,
    /// which only a peer can claim to have, takes no more.
    pub fn append_with(&mut self, leaf: Hash, mut completed: impl FnMut(Node)) {
        let Some(size) = self.size.checked_add(1) else { return };
        let mut node = Node {
            level: 0,
            index: self.size,
            hash: leaf,
        };
        completed(node);
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.hashes.pop() else { break };
            node = Node {
                level: node.level.saturating_add(1),
                index: node.index >> 1,
                hash: node_hash(&left, &node.hash),
            };
            completed(node);
        }
        self.hashes.push(node.hash);
        self.size = size;
    }

    /// Root of the tree.
    pub fn root(&self) -> Hash {
        let mut from_right = self.hashes.iter().rev();
        match from_right.next() {
            None => empty_root(),
            Some(last) => from_right.fold(*last, |right, left| node_hash(left, &right)),
        }
    }

    /// Root over leaf hashes.
    pub fn root_of(leaves: impl IntoIterator<Item = Hash>) -> Hash {
        let mut range = Self::new();
        for leaf in leaves {
            range.append(leaf);
        }
        range.root()
    }

    /// Size (u64be), then the hashes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.size.to_be_bytes().to_vec();
        for hash in &self.hashes {
            out.extend_from_slice(hash.as_bytes());
        }
        out
    }

    /// Reads exactly what [`CompactRange::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadRange> {
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(BadRange)?;
        let (hashes, rest) = rest.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(BadRange);
        }
        Self::from_parts(
            u64::from_be_bytes(*size),
            hashes.iter().map(|hash| Hash::from(*hash)).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use proptest::prelude::*;

    /// RFC 6962 §2.1, word for word.
    fn recursive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let mut k = 1;
                while k * 2 < leaves.len() {
                    k *= 2;
                }
                node_hash(&recursive(&leaves[..k]), &recursive(&leaves[k..]))
            }
        }
    }

    #[test]
    fn every_root_below_a_thousand_is_the_recursive_one() {
        let leaves: Vec<Hash> = (0u32..1000).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let mut range = CompactRange::new();
        for size in 0..1000 {
            assert_eq!(range.root(), recursive(&leaves[..size]), "size {size}");
            assert_eq!(CompactRange::decode(&range.encode()), Ok(range.clone()));
            range.append(leaves[size]);
        }
    }

    #[test]
    fn a_thousand_appends_complete_each_node_once() {
        let mut range = CompactRange::new();
        let mut nodes = std::collections::BTreeSet::new();
        for i in 0u32..1000 {
            range.append_with(leaf_hash(&i.to_be_bytes()), |node| {
                assert!(nodes.insert((node.level, node.index)))
            });
        }
        let expected: u64 = (0..10).map(|level| 1000u64 >> level).sum();
        assert_eq!(nodes.len() as u64, expected);
    }

    proptest! {
        #[test]
        fn decoding_anything_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(range) = CompactRange::decode(&bytes) {
                prop_assert_eq!(range.encode(), bytes);
            }
        }
    }
}
