//! Heads and views.

use minicbor::{Decode, Encode};
use quorate_rules::{canonical, cbor};
use quorate_tlog::hash::Hash;

/// A view: one gateway's time of proposing. Grows; no custodian acts in a lower one than it has entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct View(#[n(0)] pub u64);

impl View {
    /// The next higher view.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl std::fmt::Display for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A head of the log: size in leaves, and RFC 6962 root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(map)]
pub struct Head {
    /// Leaves.
    #[n(0)]
    pub size: u64,
    /// RFC 6962 root over them.
    #[cbor(n(1), with = "cbor::hash")]
    pub root: Hash,
}
canonical!(Head => "head");

impl Head {
    /// The head of the empty log.
    pub fn empty() -> Self {
        Self {
            size: 0,
            root: quorate_tlog::hash::empty_root(),
        }
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.size)?;
        for byte in self.root.as_bytes().iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}
