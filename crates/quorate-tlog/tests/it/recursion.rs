//! RFC 6962 §2.1 word for word, for every size below 1000.

use crate::trees::Tree;
use quorate_tlog::{
    hash::{Hash, empty_root, leaf_hash, node_hash},
    proof::{self, ProofError},
    range::CompactRange,
};
use std::collections::HashMap;

const SIZES: usize = 1000;
/// Below this size each proof is also shown with what it does not prove; above it shapes repeat.
const ALTERED: usize = 140;

/// MTH, PATH and SUBPROOF of the RFC; roots are remembered, since the same ones come up again and again.
struct Naive<'a> {
    leaves: &'a [Hash],
    known: HashMap<(usize, usize), Hash>,
}

impl Naive<'_> {
    /// Largest power of two smaller than n.
    fn k(n: usize) -> usize {
        n.next_power_of_two() / 2
    }

    fn mth(&mut self, from: usize, to: usize) -> Hash {
        if let Some(hash) = self.known.get(&(from, to)) {
            return *hash;
        }
        let hash = match to - from {
            0 => empty_root(),
            1 => self.leaves[from],
            n => {
                let middle = from + Self::k(n);
                node_hash(&self.mth(from, middle), &self.mth(middle, to))
            }
        };
        self.known.insert((from, to), hash);
        hash
    }

    fn path(&mut self, m: usize, from: usize, to: usize) -> Vec<Hash> {
        if to - from == 1 {
            return Vec::new();
        }
        let middle = from + Self::k(to - from);
        let (mut path, other) = if m < middle {
            (self.path(m, from, middle), self.mth(middle, to))
        } else {
            (self.path(m, middle, to), self.mth(from, middle))
        };
        path.push(other);
        path
    }

    fn subproof(&mut self, m: usize, from: usize, to: usize, is_known: bool) -> Vec<Hash> {
        if m == to {
            return if is_known { Vec::new() } else { vec![self.mth(from, to)] };
        }
        let middle = from + Self::k(to - from);
        let (mut path, other) = if m <= middle {
            (self.subproof(m, from, middle, is_known), self.mth(middle, to))
        } else {
            (self.subproof(m, middle, to, false), self.mth(from, middle))
        };
        path.push(other);
        path
    }
}

#[test]
fn every_root_and_frontier_below_a_thousand_is_the_recursive_one() {
    let tree = Tree::of(SIZES as u64);
    let mut naive = Naive {
        leaves: &tree.leaves,
        known: HashMap::new(),
    };
    for size in 0..SIZES {
        let expected = naive.mth(0, size);
        assert_eq!(tree.roots[size], expected, "range of {size}");
        assert_eq!(CompactRange::root_of(tree.leaves[..size].iter().copied()), expected);
        assert_eq!(proof::root(&tree, size as u64), Ok(expected));
        let frontier = proof::frontier(&tree, size as u64).unwrap();
        assert_eq!((frontier.size(), frontier.root()), (size as u64, expected));
        assert_eq!(CompactRange::decode(&frontier.encode()), Ok(frontier));
    }
}

#[test]
fn every_inclusion_proof_below_a_thousand_is_the_recursive_one_and_holds() {
    let tree = Tree::of(SIZES as u64);
    let mut naive = Naive {
        leaves: &tree.leaves,
        known: HashMap::new(),
    };
    for size in 1..SIZES {
        for index in 0..size {
            let (i, n, leaf) = (index as u64, size as u64, tree.leaves[index]);
            let path = proof::inclusion(&tree, i, n).unwrap().unwrap();
            assert_eq!(path, naive.path(index, 0, size), "{index} of {size}");
            assert_eq!(proof::verify_inclusion(leaf, i, n, &path, tree.roots[size]), Ok(()));
            if size > ALTERED {
                continue;
            }
            // Neither a leaf beside it, nor another tree, nor more or fewer hashes.
            let other = (i + 1) % n;
            assert!(size == 1 || proof::verify_inclusion(leaf, other, n, &path, tree.roots[size]).is_err());
            assert_eq!(
                proof::verify_inclusion(leaf, i, n, &path, tree.roots[size - 1]),
                Err(ProofError::Root)
            );
            let longer = [&path[..], &[leaf]].concat();
            assert_eq!(
                proof::verify_inclusion(leaf, i, n, &longer, tree.roots[size]),
                Err(ProofError::Length)
            );
            if let Some((_, shorter)) = path.split_last() {
                assert_eq!(
                    proof::verify_inclusion(leaf, i, n, shorter, tree.roots[size]),
                    Err(ProofError::Length)
                );
            }
        }
        assert_eq!(proof::inclusion(&tree, size as u64, size as u64), Ok(None));
    }
}

#[test]
fn every_consistency_proof_below_a_thousand_is_the_recursive_one_and_holds() {
    let tree = Tree::of(SIZES as u64);
    let mut naive = Naive {
        leaves: &tree.leaves,
        known: HashMap::new(),
    };
    for new in 1..SIZES {
        for old in 1..=new {
            let (a, b) = (tree.roots[old], tree.roots[new]);
            let path = proof::consistency(&tree, old as u64, new as u64).unwrap().unwrap();
            assert_eq!(path, naive.subproof(old, 0, new, true), "{old} to {new}");
            let check = |a, b, path: &[Hash]| proof::verify_consistency(old as u64, a, new as u64, b, path);
            assert_eq!(check(a, b, &path), Ok(()));
            if new > ALTERED {
                continue;
            }
            assert_eq!(
                check(tree.roots[old - 1], b, &path),
                Err(ProofError::Root),
                "{old} to {new}"
            );
            assert_eq!(
                check(a, tree.roots[new - 1], &path),
                Err(ProofError::Root),
                "{old} to {new}"
            );
            assert_eq!(check(a, b, &[&path[..], &[a]].concat()), Err(ProofError::Length));
            if let Some((_, shorter)) = path.split_last() {
                assert_eq!(check(a, b, shorter), Err(ProofError::Length));
            }
        }
    }
}

#[test]
fn nothing_is_consistent_with_everything_and_nobody_goes_back() {
    let tree = Tree::of(9);
    assert_eq!(proof::consistency(&tree, 0, 9), Ok(Some(Vec::new())));
    assert_eq!(proof::verify_consistency(0, empty_root(), 9, tree.root(9), &[]), Ok(()));
    assert_eq!(
        proof::verify_consistency(0, tree.root(9), 9, tree.root(9), &[]),
        Err(ProofError::Root)
    );
    assert_eq!(
        proof::verify_consistency(0, empty_root(), 9, tree.root(9), &[tree.root(9)]),
        Err(ProofError::Length)
    );
    assert_eq!(proof::consistency(&tree, 9, 8), Ok(None));
    assert_eq!(
        proof::verify_consistency(9, tree.root(9), 8, tree.root(8), &[]),
        Err(ProofError::Range)
    );
    assert_eq!(
        proof::verify_inclusion(tree.leaf(0), 0, 0, &[], empty_root()),
        Err(ProofError::Range)
    );
}

#[test]
fn the_roots_of_the_certificate_transparency_examples() {
    // Inputs and roots as in the tests that came with RFC 6962.
    let entries = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut range = CompactRange::new();
    for (entry, root) in entries.iter().zip(roots) {
        range.append(leaf_hash(&hex::decode(entry).unwrap()));
        assert_eq!(hex::encode(range.root().as_bytes()), root);
    }
}

#[test]
fn a_range_as_long_as_numbers_go_takes_no_more() {
    let leaf = leaf_hash(b"");
    let mut range = CompactRange::from_parts(u64::MAX, vec![leaf; 64]).unwrap();
    let before = range.clone();
    range.append(leaf);
    assert_eq!(range, before);
    assert!(CompactRange::from_parts(3, vec![leaf]).is_err());
}
