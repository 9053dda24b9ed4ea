//! A log in memory and keys from seeds, for all other modules.

use ed25519_dalek::{Signer, SigningKey};
use quorate_tlog::{
    checkpoint::{Checkpoint, Origin},
    cosignature,
    hash::{Hash, leaf_hash},
    note::{Note, NoteSignature, VerifierKey},
    proof::HashReader,
    range::CompactRange,
};

pub(crate) const ORIGIN: &str = "issuer.example/log/1";

/// Every complete node, every leaf hash, and the root of every size.
#[derive(Default)]
pub(crate) struct Tree {
    /// By level, then index.
    pub(crate) nodes: Vec<Vec<Hash>>,
    pub(crate) leaves: Vec<Hash>,
    pub(crate) roots: Vec<Hash>,
    range: CompactRange,
}

impl Tree {
    pub(crate) fn of(size: u64) -> Self {
        let mut tree = Self {
            roots: vec![CompactRange::new().root()],
            ..Self::default()
        };
        tree.grow(size);
        tree
    }

    pub(crate) fn grow(&mut self, size: u64) {
        for i in self.range.size()..size {
            let leaf = leaf_hash(&entry(i));
            self.leaves.push(leaf);
            self.range.append_with(leaf, |node| {
                let level = usize::from(node.level);
                self.nodes.resize_with(self.nodes.len().max(level + 1), Vec::new);
                assert_eq!(
                    self.nodes[level].len() as u64,
                    node.index,
                    "nodes are completed in order, each once"
                );
                self.nodes[level].push(node.hash);
            });
            self.roots.push(self.range.root());
        }
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        self.roots[usize::try_from(size).unwrap()]
    }

    pub(crate) fn leaf(&self, index: u64) -> Hash {
        self.leaves[usize::try_from(index).unwrap()]
    }

    pub(crate) fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint {
            origin: Origin::new(ORIGIN).unwrap(),
            size,
            root: self.root(size),
        }
    }
}

impl HashReader for Tree {
    type Error = (u8, u64);

    fn node(&self, level: u8, index: u64) -> Result<Hash, (u8, u64)> {
        let found = self
            .nodes
            .get(usize::from(level))
            .and_then(|row| row.get(usize::try_from(index).ok()?));
        found.copied().ok_or((level, index))
    }
}

pub(crate) fn entry(index: u64) -> Vec<u8> {
    [b"entry ", &index.to_be_bytes()[..]].concat()
}

pub(crate) fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn log_key(seed: u8) -> VerifierKey {
    VerifierKey::ed25519(ORIGIN, &secret(seed).verifying_key().to_bytes()).unwrap()
}

pub(crate) fn witness_key(seed: u8) -> VerifierKey {
    VerifierKey::cosigner(
        &format!("witness{seed}.example"),
        &secret(seed).verifying_key().to_bytes(),
    )
    .unwrap()
}

pub(crate) fn log_line(seed: u8, text: &str) -> NoteSignature {
    log_key(seed).signature(&secret(seed).sign(text.as_bytes()).to_bytes())
}

pub(crate) fn witness_line(seed: u8, time_s: u64, text: &str) -> NoteSignature {
    witness_key(seed).signature(&cosignature::sign(&secret(seed), time_s, text).unwrap().encode())
}

/// A checkpoint signed by log key 1.
pub(crate) fn signed(checkpoint: &Checkpoint) -> Note {
    let text = checkpoint.text();
    Note::new(&text, vec![log_line(1, &text)]).unwrap()
}
