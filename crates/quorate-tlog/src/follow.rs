//! Following a log from one checkpoint to the next: the follower recomputes every root from the entries and its own frontier, so that
//! append-only needs no consistency proof.

use crate::{
    checkpoint::{BadCheckpoint, Checkpoint, Origin},
    hash::{Hash, leaf_hash},
    note::{Note, NoteError, VerifierKey},
    range::CompactRange,
};

/// A checkpoint or its entries are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The note is not signed by the log's key.
    #[error("the note is not signed by the log")]
    Note(#[from] NoteError),
    /// The note is no checkpoint.
    #[error("the note is no checkpoint")]
    Checkpoint(#[from] BadCheckpoint),
    /// It is of another log.
    #[error("the checkpoint is of another log")]
    Origin,
    /// It is older than what the follower holds; a log that serves it may just be slow.
    #[error("a checkpoint of {offered} entries after one of {held}")]
    Shrinks {
        /// Entries that the follower holds.
        held: u64,
        /// Entries of the checkpoint.
        offered: u64,
    },
    /// The entries do not reach from the follower's size to the checkpoint's.
    #[error("{given} entries where {needed} are needed")]
    Gap {
        /// Entries between the follower's size and the checkpoint's.
        needed: u64,
        /// Entries that were given.
        given: u64,
    },
    /// The entries lead to another root than the checkpoint's: they are not the log's entries, or the log has two histories.
    #[error("the entries lead to another root than the checkpoint's")]
    Root {
        /// Root that the follower computed.
        computed: Hash,
        /// The checkpoint.
        offered: Checkpoint,
    },
    /// The log has signed two roots for one size: both notes together prove it to anybody who knows its key.
    #[error("the log has signed two roots for one size")]
    SplitView {
        /// The note that the follower holds.
        held: Box<Note>,
        /// The other one.
        offered: Box<Note>,
    },
}

/// What a follower knows of a log: who signs it, its frontier, and the last checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    origin: Origin,
    key: VerifierKey,
    range: CompactRange,
    held: Option<Note>,
}

impl Follower {
    /// A follower from the first entry on.
    pub const fn new(origin: Origin, key: VerifierKey) -> Self {
        Self {
            origin,
            key,
            range: CompactRange::new(),
            held: None,
        }
    }

    /// A follower that goes on from a frontier of its own keeping and the checkpoint of exactly that frontier.
    pub fn resume(origin: Origin, key: VerifierKey, range: CompactRange, held: Note) -> Result<Self, FollowError> {
        let follower = Self {
            origin,
            key,
            range,
            held: None,
        };
        let checkpoint = follower.verify(&held)?;
        follower.check_gap(&checkpoint, 0)?;
        follower.check_root(&checkpoint)?;
        Ok(Self {
            held: Some(held),
            ..follower
        })
    }

    /// Name of the log.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The log's key.
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The frontier of the entries followed so far.
    pub const fn range(&self) -> &CompactRange {
        &self.range
    }

    /// The last checkpoint followed; `None` before the first.
    pub const fn held(&self) -> Option<&Note> {
        self.held.as_ref()
    }

    /// The follower after these entries, which must be exactly those between its size and the checkpoint's. A checkpoint of the same
    /// size and root is taken without entries, such as one with more cosignatures.
    ///
    /// # Errors
    /// See [`FollowError`]. `SplitView` comes before anything is said about the entries, so that evidence is never lost to a caller
    /// who sends none.
    pub fn advance<E: AsRef<[u8]>>(&self, entries: &[E], note: &Note) -> Result<Self, FollowError> {
        let checkpoint = self.verify(note)?;
        self.check_split(&checkpoint, note)?;
        let given = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        self.check_gap(&checkpoint, given)?;
        let mut next = Self {
            held: Some(note.clone()),
            ..self.clone()
        };
        for entry in entries {
            next.range.append(leaf_hash(entry.as_ref()));
        }
        next.check_root(&checkpoint)?;
        Ok(next)
    }

    fn verify(&self, note: &Note) -> Result<Checkpoint, FollowError> {
        note.verify(std::slice::from_ref(&self.key))?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin == self.origin {
            Ok(checkpoint)
        } else {
            Err(FollowError::Origin)
        }
    }

    fn check_split(&self, offered: &Checkpoint, note: &Note) -> Result<(), FollowError> {
        match &self.held {
            Some(held) if offered.size == self.range.size() && offered.root != self.range.root() => {
                Err(FollowError::SplitView {
                    held: Box::new(held.clone()),
                    offered: Box::new(note.clone()),
                })
            }
            _ => Ok(()),
        }
    }

    fn check_gap(&self, offered: &Checkpoint, given: u64) -> Result<(), FollowError> {
        let held = self.range.size();
        match offered.size.checked_sub(held) {
            None => Err(FollowError::Shrinks {
                held,
                offered: offered.size,
            }),
            Some(needed) if needed != given => Err(FollowError::Gap { needed, given }),
            Some(_) => Ok(()),
        }
    }

    fn check_root(&self, offered: &Checkpoint) -> Result<(), FollowError> {
        let computed = self.range.root();
        if computed == offered.root {
            Ok(())
        } else {
            Err(FollowError::Root {
                computed,
                offered: offered.clone(),
            })
        }
    }
}
