//! Persist before you answer, by type.

use zeroize::Zeroizing;

/// What must be durable before an answer leaves, applied as one transaction; key shares go to their sealed files first.
#[derive(Default)]
pub struct Change {
    /// The custodian's state record, canonical.
    pub state: Option<Vec<u8>>,
    /// The registry record, canonical.
    pub registry: Option<Vec<u8>>,
    /// Entries from this index on are dropped first.
    pub truncate_from: Option<u64>,
    /// Entries to keep, by index.
    pub entries: Vec<(u64, Vec<u8>)>,
    /// A finished DKG's shares, to be sealed; never to the database.
    pub seal: Option<SecretShares>,
    /// From now on only the shares of this transcript are needed.
    pub retire_shares_but: Option<[u8; 32]>,
}

/// Key shares of one DKG on their way to the sealed file.
pub struct SecretShares {
    /// Joint transcript that names them.
    pub transcript: [u8; 32],
    /// Encoded shares.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for SecretShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretShares(redacted)")
    }
}

impl Change {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.state.is_none()
            && self.registry.is_none()
            && self.truncate_from.is_none()
            && self.entries.is_empty()
            && self.seal.is_none()
            && self.retire_shares_but.is_none()
    }
}

/// An answer that is given up only once what it depends on is durable.
#[must_use = "an answer that is never persisted is never sent"]
pub struct Step<R> {
    change: Change,
    reply: R,
}

impl<R> Step<R> {
    pub(crate) const fn new(change: Change, reply: R) -> Self {
        Self { change, reply }
    }

    /// An answer that depends on nothing new.
    pub fn without_change(reply: R) -> Self {
        Self {
            change: Change::default(),
            reply,
        }
    }

    /// The same change, another form of the answer.
    pub fn map<S>(self, form: impl FnOnce(R) -> S) -> Step<S> {
        Step {
            change: self.change,
            reply: form(self.reply),
        }
    }

    /// Hands the change to `write`, and the answer out if that succeeded. After an error the machine is ahead of the disk and
    /// must not be used again.
    pub fn persist<E>(self, write: impl FnOnce(Change) -> Result<(), E>) -> Result<R, E> {
        if !self.change.is_empty() {
            write(self.change)?;
        }
        Ok(self.reply)
    }
}
