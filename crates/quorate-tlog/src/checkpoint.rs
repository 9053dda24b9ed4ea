//! Checkpoints (C2SP tlog-checkpoint v1.0.0): origin, size, root; no extension lines.

use crate::{hash::Hash, note::is_name};

/// Name of a log: a URL without scheme, in the form of a key name (see [`crate::note::KeyName`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

/// The text is no checkpoint of this form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a checkpoint: {0}")]
pub struct BadCheckpoint(&'static str);

impl Origin {
    /// Checks the name.
    pub fn new(text: impl Into<String>) -> Result<Self, BadCheckpoint> {
        let text = text.into();
        if !is_name(&text) {
            return Err(BadCheckpoint(
                "the origin is empty, too long, or has spaces or a plus sign",
            ));
        }
        Ok(Self(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A checkpoint, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: Origin,
    /// Leaves.
    pub size: u64,
    /// RFC 6962 root.
    pub root: Hash,
}

impl Checkpoint {
    /// The note text.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }

    /// Reads a note text. Extension lines are refused: no signature of ours covers any.
    pub fn parse(text: &str) -> Result<Self, BadCheckpoint> {
        let body = text
            .strip_suffix('\n')
            .ok_or(BadCheckpoint("the last line does not end"))?;
        let mut lines = body.split('\n');
        let mut line = || lines.next().ok_or(BadCheckpoint("fewer than three lines"));
        let (origin, size, root) = (line()?, line()?, line()?);
        if lines.next().is_some() {
            return Err(BadCheckpoint("extension lines are not accepted"));
        }
        let number: u64 = size.parse().map_err(|_| BadCheckpoint("the size is no number"))?;
        if number.to_string() != size {
            return Err(BadCheckpoint("the size is not in its shortest form"));
        }
        let root = Hash::from_base64(root).ok_or(BadCheckpoint("the root is not 32 bytes of base64"))?;
        Ok(Self {
            origin: Origin::new(origin)?,
            size: number,
            root,
        })
    }
}
