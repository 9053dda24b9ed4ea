//! Self-contained proofs that an entry is logged (C2SP tlog-proof v1): index, inclusion proof and signed checkpoint in one file.

use crate::{
    checkpoint::{BadCheckpoint, Checkpoint},
    hash::{Hash, leaf_hash},
    note::{MAX_NOTE, Note, NoteError},
    policy::{Policy, PolicyError},
    proof::{ProofError, verify_inclusion},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// First line of the file.
pub const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Most extra bytes.
pub const MAX_EXTRA: usize = 256 * 1024;
/// Largest file that is read, bytes: the note, the extra bytes in base64, and everything else.
pub const MAX_PROOF: usize = MAX_NOTE + MAX_EXTRA / 3 * 4 + 8 * 1024;
/// Most hashes of an inclusion proof: a tree of 64-bit size is no higher.
pub const MAX_PATH: usize = 64;

/// A file is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTlogProof {
    /// It is not a file of this form.
    #[error("not a tlog-proof: {0}")]
    Malformed(&'static str),
    /// Its note is malformed.
    #[error("the checkpoint's note is malformed")]
    Note(#[from] NoteError),
    /// Its note is no checkpoint.
    #[error("the note is no checkpoint")]
    Checkpoint(#[from] BadCheckpoint),
}

/// An entry is not proved to be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotProved {
    /// The checkpoint does not satisfy the policy.
    #[error("the checkpoint does not satisfy the policy")]
    Policy(#[from] PolicyError),
    /// The entry is not at the index in the tree of the checkpoint.
    #[error("the entry is not in the tree of the checkpoint")]
    Inclusion(#[from] ProofError),
}

/// A proof, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    extra: Option<Vec<u8>>,
    index: u64,
    path: Vec<Hash>,
    note: Note,
}

impl TlogProof {
    /// A proof that the entry at `index` is in the tree of the checkpoint in `note`; `path` has the leaf's sibling first and at most
    /// [`MAX_PATH`] hashes.
    pub fn new(index: u64, path: Vec<Hash>, note: Note) -> Result<Self, BadTlogProof> {
        if path.len() > MAX_PATH {
            return Err(BadTlogProof::Malformed("more than 64 hashes"));
        }
        Checkpoint::parse(note.text())?;
        Ok(Self {
            extra: None,
            index,
            path,
            note,
        })
    }

    /// The same proof with extra bytes, at most [`MAX_EXTRA`]. No signature covers them.
    pub fn with_extra(self, extra: Vec<u8>) -> Result<Self, BadTlogProof> {
        if extra.len() > MAX_EXTRA {
            return Err(BadTlogProof::Malformed("more than 256 KiB of extra bytes"));
        }
        Ok(Self {
            extra: Some(extra),
            ..self
        })
    }

    /// Reads a proof, exactly as [`TlogProof::encode`] writes it.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadTlogProof> {
        if bytes.len() > MAX_PROOF {
            return Err(BadTlogProof::Malformed("too large"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| BadTlogProof::Malformed("not UTF-8"))?;
        let (head, note) = text
            .split_once("\n\n")
            .ok_or(BadTlogProof::Malformed("no empty line"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(BadTlogProof::Malformed("another first line"));
        }
        let extra = lines
            .next_if(|line| line.starts_with("extra "))
            .and_then(|line| line.strip_prefix("extra "));
        let extra = extra.map(|extra| STANDARD.decode(extra)).transpose();
        let extra = extra.map_err(|_| BadTlogProof::Malformed("the extra bytes are not base64"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.ok_or(BadTlogProof::Malformed("no index line"))?;
        let number: u64 = index
            .parse()
            .map_err(|_| BadTlogProof::Malformed("the index is no number"))?;
        if number.to_string() != index {
            return Err(BadTlogProof::Malformed("the index is not in its shortest form"));
        }
        let path = lines
            .take(MAX_PATH.saturating_add(1))
            .map(Hash::from_base64)
            .collect::<Option<Vec<_>>>();
        let path = path.ok_or(BadTlogProof::Malformed("a hash is not 32 bytes of base64"))?;
        let proof = Self::new(number, path, Note::parse(note.as_bytes())?)?;
        match extra {
            Some(extra) => proof.with_extra(extra),
            None => Ok(proof),
        }
    }

    /// The file (extension `.tlog-proof`).
    pub fn encode(&self) -> String {
        let mut out = format!("{HEADER}\n");
        if let Some(extra) = &self.extra {
            out.push_str(&format!("extra {}\n", STANDARD.encode(extra)));
        }
        out.push_str(&format!("index {}\n", self.index));
        for hash in &self.path {
            out.push_str(&format!("{}\n", hash.to_base64()));
        }
        format!("{out}\n{}", self.note.encode())
    }

    /// Checks that `entry` is logged at [`TlogProof::index`] of a log of the policy, and returns the checkpoint that says so.
    pub fn verify(&self, entry: &[u8], policy: &Policy) -> Result<Checkpoint, NotProved> {
        self.verify_hash(leaf_hash(entry), policy)
    }

    /// As [`TlogProof::verify`], for an entry's leaf hash.
    pub fn verify_hash(&self, leaf: Hash, policy: &Policy) -> Result<Checkpoint, NotProved> {
        let checkpoint = policy.check(&self.note)?;
        verify_inclusion(leaf, self.index, checkpoint.size, &self.path, checkpoint.root)?;
        Ok(checkpoint)
    }

    /// Place of the entry in the log, from zero.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The inclusion proof, leaf's sibling first.
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    /// The signed checkpoint, not verified.
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// The extra bytes. Anybody can change them: no signature covers them.
    pub fn unauthenticated_extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }
}
