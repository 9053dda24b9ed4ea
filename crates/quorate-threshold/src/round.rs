//! What goes to and fro in one round, of a signature or of a key generation.

use crate::group::Identifier;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What one party gives in one round.
#[derive(Debug, Default)]
pub struct RoundOutput {
    /// For everybody; nothing in it is secret.
    pub broadcast: Vec<u8>,
    /// For single others, secret to each: whoever carries them must seal each to its recipient and sign it, else a carrier that
    /// flips a bit makes honest parties blame each other.
    pub directs: BTreeMap<Identifier, Zeroizing<Vec<u8>>>,
}

/// What all parties gave in one round, as one of them sees it.
#[derive(Debug, Default)]
pub struct RoundInputs {
    /// Everybody's broadcast, the own one byte for byte as it was sent.
    pub broadcasts: BTreeMap<Identifier, Vec<u8>>,
    /// What the others gave to this party alone, by sender; empty where the scheme has nothing of the kind.
    pub directs: BTreeMap<Identifier, Zeroizing<Vec<u8>>>,
}

impl RoundOutput {
    /// An output that holds nothing secret.
    pub const fn broadcast(broadcast: Vec<u8>) -> Self {
        Self {
            broadcast,
            directs: BTreeMap::new(),
        }
    }
}

impl RoundInputs {
    /// Inputs of a round in which nothing is secret.
    pub const fn broadcasts(broadcasts: BTreeMap<Identifier, Vec<u8>>) -> Self {
        Self {
            broadcasts,
            directs: BTreeMap::new(),
        }
    }

    /// Whether there is exactly one direct input from each of these.
    pub(crate) fn directs_are_from(&self, others: impl Iterator<Item = Identifier>) -> bool {
        self.directs.keys().copied().eq(others)
    }
}
