//! Inclusion and consistency proofs (RFC 9162 §2.1.3, §2.1.4), made from any store of complete subtrees and checked against roots.

use crate::{
    hash::{Hash, empty_root, node_hash},
    range::CompactRange,
};

/// Reads nodes of complete subtrees.
pub trait HashReader {
    /// Why a node could not be read.
    type Error;

    /// The node at this level and index: it covers leaves `index·2^level .. (index+1)·2^level`, all of which exist.
    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// A tree small enough to be held as its leaf hashes; every node is computed anew.
#[derive(Debug, Clone, Copy)]
pub struct LeafHashes<'a>(pub &'a [Hash]);

/// The node lies beyond the leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node lies beyond the tree")]
pub struct BeyondTree;

impl HashReader for LeafHashes<'_> {
    type Error = BeyondTree;

    fn node(&self, level: u8, index: u64) -> Result<Hash, BeyondTree> {
        let width = 1usize.checked_shl(u32::from(level)).ok_or(BeyondTree)?;
        let start = usize::try_from(index)
            .ok()
            .and_then(|index| index.checked_mul(width))
            .ok_or(BeyondTree)?;
        let end = start.checked_add(width).ok_or(BeyondTree)?;
        let leaves = self.0.get(start..end).ok_or(BeyondTree)?;
        Ok(CompactRange::root_of(leaves.iter().copied()))
    }
}

/// A proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Index or size out of range.
    #[error("index or size out of range")]
    Range,
    /// The number of hashes is not the one that index and size ask for.
    #[error("the proof has the wrong length")]
    Length,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// A half-open range of leaves within a tree, as RFC 9162 splits it.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    end: u64,
}

impl Span {
    const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Left part: the largest power of two smaller than the length. Right part: the rest.
    const fn split(self) -> (Self, Self) {
        let k = self.len().saturating_sub(1).checked_ilog2();
        let k = match k {
            Some(log) => 1u64 << log,
            None => 1,
        };
        let middle = self.start.saturating_add(k);
        (
            Self {
                start: self.start,
                end: middle,
            },
            Self {
                start: middle,
                end: self.end,
            },
        )
    }
}

/// Root over a span, from complete nodes.
fn span_root<R: HashReader>(reader: &R, span: Span) -> Result<Hash, R::Error> {
    let mut hashes = Vec::new();
    let mut start = span.start;
    while start < span.end {
        let fits = (span.end.saturating_sub(start)).ilog2();
        let aligned = if start == 0 { 63 } else { start.trailing_zeros() };
        let level = fits.min(aligned);
        hashes.push(reader.node(u8::try_from(level).unwrap_or(63), start >> level)?);
        start = start.saturating_add(1u64 << level);
    }
    let mut from_right = hashes.iter().rev();
    Ok(match from_right.next() {
        None => empty_root(),
        Some(last) => from_right.fold(*last, |right, left| node_hash(left, &right)),
    })
}

/// Root of the tree of this size.
pub fn root<R: HashReader>(reader: &R, size: u64) -> Result<Hash, R::Error> {
    span_root(reader, Span { start: 0, end: size })
}

/// Frontier of the tree of this size.
pub fn frontier<R: HashReader>(reader: &R, size: u64) -> Result<CompactRange, R::Error> {
    let mut hashes = Vec::new();
    let mut start = 0u64;
    for level in (0..64u8).rev() {
        if size >> level & 1 == 1 {
            hashes.push(reader.node(level, start >> level)?);
            start = start.saturating_add(1u64 << level);
        }
    }
    Ok(CompactRange::from_parts(size, hashes).unwrap_or_default())
}

/// Inclusion proof of leaf `index` in the tree of `size`, leaf's sibling first. `None` if the index is not below the size.
pub fn inclusion<R: HashReader>(reader: &R, index: u64, size: u64) -> Result<Option<Vec<Hash>>, R::Error> {
    if index >= size {
        return Ok(None);
    }
    let mut path = Vec::new();
    let mut span = Span { start: 0, end: size };
    while span.len() > 1 {
        let (left, right) = span.split();
        if index < right.start {
            path.push(span_root(reader, right)?);
            span = left;
        } else {
            path.push(span_root(reader, left)?);
            span = right;
        }
    }
    path.reverse();
    Ok(Some(path))
}

/// Checks an inclusion proof (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range);
    }
    let (mut position, mut last) = (index, size.saturating_sub(1));
    let mut hash = leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if position & 1 == 1 || position == last {
            hash = node_hash(sibling, &hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if hash == root { Ok(()) } else { Err(ProofError::Root) }
}

/// Consistency proof from the tree of size `old` to that of size `new`. `None` if `old` is larger.
pub fn consistency<R: HashReader>(reader: &R, old: u64, new: u64) -> Result<Option<Vec<Hash>>, R::Error> {
    if old > new {
        return Ok(None);
    }
    let mut path = Vec::new();
    if old == 0 || old == new {
        return Ok(Some(path));
    }
    let mut span = Span { start: 0, end: new };
    let mut is_whole = true;
    while old != span.end {
        let (left, right) = span.split();
        if old <= right.start {
            path.push(span_root(reader, right)?);
            span = left;
        } else {
            path.push(span_root(reader, left)?);
            span = right;
            is_whole = false;
        }
    }
    if !is_whole {
        path.push(span_root(reader, span)?);
    }
    path.reverse();
    Ok(Some(path))
}

/// Checks a consistency proof (RFC 9162 §2.1.4.2).
pub fn verify_consistency(
    old: u64,
    old_root: Hash,
    new: u64,
    new_root: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Range);
    }
    if old == 0 || old == new {
        let expected = if old == 0 { empty_root() } else { new_root };
        return match (proof.is_empty(), old_root == expected) {
            (false, _) => Err(ProofError::Length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    let mut hashes = proof.iter();
    let (mut position, mut last) = (old.saturating_sub(1), new.saturating_sub(1));
    let seed = if old.is_power_of_two() {
        old_root
    } else {
        *hashes.next().ok_or(ProofError::Length)?
    };
    let trailing = position.trailing_ones();
    position = position.checked_shr(trailing).unwrap_or(0);
    last = last.checked_shr(trailing).unwrap_or(0);
    let (mut from_old, mut from_new) = (seed, seed);
    for sibling in hashes {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if position & 1 == 1 || position == last {
            from_old = node_hash(sibling, &from_old);
            from_new = node_hash(sibling, &from_new);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            from_new = node_hash(&from_new, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if from_old == old_root && from_new == new_root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use std::collections::BTreeMap;

    struct Nodes(BTreeMap<(u8, u64), Hash>);

    impl HashReader for Nodes {
        type Error = ();
        fn node(&self, level: u8, index: u64) -> Result<Hash, ()> {
            self.0.get(&(level, index)).copied().ok_or(())
        }
    }

    fn tree(size: u64) -> (Nodes, Vec<Hash>, Vec<Hash>) {
        let (mut nodes, mut range) = (BTreeMap::new(), CompactRange::new());
        let (mut roots, mut leaves) = (vec![range.root()], Vec::new());
        for i in 0..size {
            let leaf = leaf_hash(&i.to_be_bytes());
            leaves.push(leaf);
            range.append_with(leaf, |node| {
                nodes.insert((node.level, node.index), node.hash);
            });
            roots.push(range.root());
        }
        (Nodes(nodes), roots, leaves)
    }

    #[test]
    fn proofs_of_all_small_trees_hold_and_altered_ones_do_not() {
        let (nodes, roots, leaves) = tree(70);
        for size in 1..=70u64 {
            assert_eq!(root(&nodes, size), Ok(roots[size as usize]));
            assert_eq!(frontier(&nodes, size).unwrap().root(), roots[size as usize]);
            for index in 0..size {
                let proof = inclusion(&nodes, index, size).unwrap().unwrap();
                let (leaf, top) = (leaves[index as usize], roots[size as usize]);
                assert_eq!(verify_inclusion(leaf, index, size, &proof, top), Ok(()));
                assert!(verify_inclusion(leaf, index ^ 1, size, &proof, top).is_err() || size == 1);
                assert!(verify_inclusion(leaf, index, size, &[&proof[..], &[leaf]].concat(), top).is_err());
                for cut in 0..proof.len() {
                    assert!(verify_inclusion(leaf, index, size, &proof[..cut], top).is_err());
                }
            }
            for old in 0..=size {
                let proof = consistency(&nodes, old, size).unwrap().unwrap();
                let (a, b) = (roots[old as usize], roots[size as usize]);
                assert_eq!(verify_consistency(old, a, size, b, &proof), Ok(()), "{old} {size}");
                if old > 0 {
                    assert!(verify_consistency(old, roots[old as usize - 1], size, b, &proof).is_err());
                }
                if old < size {
                    assert!(verify_consistency(old, a, size, roots[size as usize - 1], &proof).is_err() || old == 0);
                }
            }
        }
    }
}
