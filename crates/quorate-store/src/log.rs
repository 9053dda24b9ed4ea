//! What a gateway keeps.

use crate::{AppendError, StoreError};

/// Head of the log, with the view in which it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// View.
    pub view: u64,
    /// Entries.
    pub size: u64,
    /// Root hash.
    pub root: [u8; 32],
}

impl Head {
    pub(crate) fn encode(&self) -> [u8; 48] {
        let mut out = [0; 48];
        out[..8].copy_from_slice(&self.view.to_be_bytes());
        out[8..16].copy_from_slice(&self.size.to_be_bytes());
        out[16..].copy_from_slice(&self.root);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 48] = bytes.try_into().ok()?;
        Some(Self {
            view: u64::from_be_bytes(bytes[..8].try_into().ok()?),
            size: u64::from_be_bytes(bytes[8..16].try_into().ok()?),
            root: bytes[16..].try_into().ok()?,
        })
    }
}

/// A key that may stand once, as long as it has not expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The key.
    pub key: Vec<u8>,
    /// Entry that took it; dropping the entry frees the key.
    pub index: u64,
    /// Milliseconds since 1970 UTC.
    pub expires_ms: u64,
}

/// One durable transaction.
#[derive(Debug, Clone)]
pub struct Append {
    /// Head after it.
    pub head: Head,
    /// Entries after the expected head, in order.
    pub entries: Vec<Vec<u8>>,
    /// Keys taken by them.
    pub taken: Vec<Taken>,
    /// Named records to write along.
    pub records: Vec<(String, Vec<u8>)>,
}

/// An item of an expiring table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiring {
    /// Key.
    pub key: Vec<u8>,
    /// Value.
    pub value: Vec<u8>,
    /// Milliseconds since 1970 UTC.
    pub expires_ms: u64,
}

/// The store of a gateway. Every method that writes is durable when it returns.
pub trait LogStore: Send + Sync {
    /// Head of the log; none for an empty one.
    fn head(&self) -> Result<Option<Head>, StoreError>;

    /// Appends if the head is exactly the expected one and no key is taken; all or nothing.
    fn append(&self, expected: Option<&Head>, append: &Append) -> Result<(), AppendError>;

    /// Drops entries from `head.size` on, frees the keys that they took, and sets the head.
    fn truncate(&self, expected: Option<&Head>, head: Option<&Head>) -> Result<(), AppendError>;

    /// Entries from an index on, at most `limit` of them.
    fn entries(&self, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, StoreError>;

    /// A named record.
    fn record(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes named records.
    fn set_records(&self, records: &[(&str, Vec<u8>)]) -> Result<(), StoreError>;

    /// Puts an item into an expiring table.
    fn put_expiring(&self, table: &str, item: &Expiring) -> Result<(), StoreError>;

    /// Puts items that are not there yet, in one transaction; for each, whether it was new.
    fn insert_expiring(&self, table: &str, items: &[Expiring]) -> Result<Vec<bool>, StoreError>;

    /// An item.
    fn get_expiring(&self, table: &str, key: &[u8]) -> Result<Option<Expiring>, StoreError>;

    /// Removes an item and returns it.
    fn take_expiring(&self, table: &str, key: &[u8]) -> Result<Option<Expiring>, StoreError>;

    /// All items of an expiring table, in the order of their keys.
    fn list_expiring(&self, table: &str) -> Result<Vec<Expiring>, StoreError>;

    /// Removes what has expired; returns how many items and keys.
    fn sweep(&self, now_ms: u64) -> Result<u64, StoreError>;

    /// Durable commits so far, for metrics.
    fn fsyncs(&self) -> u64;
}
