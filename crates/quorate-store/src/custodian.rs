//! What a custodian keeps: entries and a few records, one transaction per answer.

use crate::StoreError;
use redb::{Database, ReadableDatabase, TableDefinition};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
/// A custodian appends and seldom reads; redb would take a gibibyte by itself.
const CACHE_BYTES: usize = 4 << 20;

/// The store of one custodian: one redb file, one process.
pub struct CustodianStore {
    path: PathBuf,
    database: Database,
    fsyncs: AtomicU64,
}

/// One durable transaction.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Entries from this index on are dropped first.
    pub truncate_from: Option<u64>,
    /// Entries to write, by index.
    pub entries: Vec<(u64, Vec<u8>)>,
    /// Records to write, by name.
    pub records: Vec<(&'static str, Vec<u8>)>,
}

impl CustodianStore {
    /// Opens the file, or makes it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let fail = |error: redb::Error| StoreError::database(path, error);
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(|error| fail(error.into()))?;
        let store = Self {
            path: path.to_owned(),
            database,
            fsyncs: AtomicU64::new(0),
        };
        store.apply(&Changes::default())?;
        Ok(store)
    }

    /// Writes the changes in one transaction; durable when it returns.
    pub fn apply(&self, changes: &Changes) -> Result<(), StoreError> {
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let mut entries = transaction.open_table(ENTRIES)?;
                if let Some(from) = changes.truncate_from {
                    entries.retain_in(from.., |_, _| false)?;
                }
                for (index, entry) in &changes.entries {
                    entries.insert(*index, entry.as_slice())?;
                }
                let mut records = transaction.open_table(RECORDS)?;
                for (name, value) in &changes.records {
                    records.insert(*name, value.as_slice())?;
                }
            }
            transaction.commit()?;
            Ok(())
        };
        write().map_err(|error| StoreError::database(&self.path, error))?;
        self.fsyncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// A record.
    pub fn record(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let read = || -> Result<_, redb::Error> {
            let transaction = self.database.begin_read()?;
            Ok(transaction
                .open_table(RECORDS)?
                .get(name)?
                .map(|value| value.value().to_vec()))
        };
        read().map_err(|error| StoreError::database(&self.path, error))
    }

    /// Entries from an index on, at most `limit` of them and at most about `limit_bytes` together (one at least).
    pub fn entries(&self, from: u64, limit: usize, limit_bytes: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let read = || -> Result<_, redb::Error> {
            let transaction = self.database.begin_read()?;
            let table = transaction.open_table(ENTRIES)?;
            let (mut entries, mut bytes) = (Vec::new(), 0usize);
            for item in table.range(from..)?.take(limit) {
                let entry = item?.1.value().to_vec();
                bytes = bytes.saturating_add(entry.len());
                if bytes > limit_bytes && !entries.is_empty() {
                    break;
                }
                entries.push(entry);
            }
            Ok(entries)
        };
        read().map_err(|error| StoreError::database(&self.path, error))
    }

    /// Durable commits so far, for metrics.
    pub fn fsyncs(&self) -> u64 {
        self.fsyncs.load(Ordering::Relaxed)
    }
}
