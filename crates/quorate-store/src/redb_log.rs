//! The embedded log store: one redb file, one process.

use crate::{Append, AppendError, Expiring, Head, LogStore, StoreError};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
const TAKEN: TableDefinition<'_, &[u8], (u64, u64)> = TableDefinition::new("taken");
/// Table name and key.
type ExpiringKey = (&'static str, &'static [u8]);
/// Expiry in milliseconds, and value.
type ExpiringValue = (u64, &'static [u8]);
const EXPIRING: TableDefinition<'_, ExpiringKey, ExpiringValue> = TableDefinition::new("expiring");
/// Name of the record that holds the head; no caller's record has it.
const HEAD: &str = "\0head";
/// redb would take a gibibyte by itself.
const CACHE_BYTES: usize = 32 << 20;

/// See the module.
pub struct RedbLog {
    path: PathBuf,
    database: Database,
    fsyncs: AtomicU64,
}

impl RedbLog {
    /// Opens the file, or makes it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(|error| StoreError::database(path, error))?;
        let store = Self {
            path: path.to_owned(),
            database,
            fsyncs: AtomicU64::new(0),
        };
        store.write(|transaction| {
            transaction.open_table(ENTRIES)?;
            transaction.open_table(RECORDS)?;
            transaction.open_table(TAKEN)?;
            transaction.open_table(EXPIRING)?;
            Ok(())
        })?;
        Ok(store)
    }

    fn fail(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::database(&self.path, error)
    }

    fn write<T>(&self, change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        let transaction = self.database.begin_write().map_err(|error| self.fail(error))?;
        let value = change(&transaction).map_err(|error| self.fail(error))?;
        transaction.commit().map_err(|error| self.fail(error))?;
        self.fsyncs.fetch_add(1, Ordering::Relaxed);
        Ok(value)
    }

    fn read<T>(&self, look: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        let transaction = self.database.begin_read().map_err(|error| self.fail(error))?;
        look(&transaction).map_err(|error| self.fail(error))
    }
}

fn read_head(records: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Option<Head>, redb::Error> {
    match records.get(HEAD)? {
        None => Ok(None),
        Some(bytes) => Head::decode(bytes.value())
            .map(Some)
            .ok_or_else(|| redb::Error::Corrupted("the head record has another length".to_owned())),
    }
}

impl LogStore for RedbLog {
    fn head(&self) -> Result<Option<Head>, StoreError> {
        self.read(|transaction| read_head(&transaction.open_table(RECORDS)?))
    }

    fn append(&self, expected: Option<&Head>, append: &Append) -> Result<(), AppendError> {
        let transaction = self.database.begin_write().map_err(|error| self.fail(error))?;
        let outcome = (|| -> Result<Option<AppendError>, redb::Error> {
            let mut records = transaction.open_table(RECORDS)?;
            let found = read_head(&records)?;
            if found.as_ref() != expected {
                return Ok(Some(AppendError::HeadMoved { found }));
            }
            let mut taken = transaction.open_table(TAKEN)?;
            let mut twice = Vec::new();
            for item in &append.taken {
                if taken
                    .insert(item.key.as_slice(), (item.index, item.expires_ms))?
                    .is_some()
                {
                    twice.push(item.key.clone());
                }
            }
            if !twice.is_empty() {
                return Ok(Some(AppendError::AlreadyTaken { keys: twice }));
            }
            let first = expected.map_or(0, |head| head.size);
            let mut entries = transaction.open_table(ENTRIES)?;
            for (index, entry) in (first..).zip(&append.entries) {
                entries.insert(index, entry.as_slice())?;
            }
            for (name, value) in &append.records {
                records.insert(name.as_str(), value.as_slice())?;
            }
            records.insert(HEAD, append.head.encode().as_slice())?;
            Ok(None)
        })()
        .map_err(|error| self.fail(error))?;
        match outcome {
            // Dropping the transaction undoes it.
            Some(refused) => Err(refused),
            None => {
                transaction.commit().map_err(|error| self.fail(error))?;
                self.fsyncs.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn truncate(&self, expected: Option<&Head>, head: Option<&Head>) -> Result<(), AppendError> {
        let size = head.map_or(0, |head| head.size);
        let moved = self.write(|transaction| {
            let mut records = transaction.open_table(RECORDS)?;
            let found = read_head(&records)?;
            if found.as_ref() != expected {
                return Ok(Some(found));
            }
            transaction.open_table(ENTRIES)?.retain_in(size.., |_, _| false)?;
            transaction.open_table(TAKEN)?.retain(|_, (index, _)| index < size)?;
            match head {
                Some(head) => records.insert(HEAD, head.encode().as_slice())?,
                None => records.remove(HEAD)?,
            };
            Ok(None)
        })?;
        moved.map_or(Ok(()), |found| Err(AppendError::HeadMoved { found }))
    }

    fn entries(&self, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        self.read(|transaction| {
            let table = transaction.open_table(ENTRIES)?;
            let range = table.range(from..)?.take(limit);
            range.map(|item| Ok(item?.1.value().to_vec())).collect()
        })
    }

    fn record(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|transaction| {
            Ok(transaction
                .open_table(RECORDS)?
                .get(name)?
                .map(|value| value.value().to_vec()))
        })
    }

    fn set_records(&self, records: &[(&str, Vec<u8>)]) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(RECORDS)?;
            for (name, value) in records {
                table.insert(*name, value.as_slice())?;
            }
            Ok(())
        })
    }

    fn put_expiring(&self, table: &str, item: &Expiring) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut expiring = transaction.open_table(EXPIRING)?;
            expiring.insert((table, item.key.as_slice()), (item.expires_ms, item.value.as_slice()))?;
            Ok(())
        })
    }

    fn insert_expiring(&self, table: &str, items: &[Expiring]) -> Result<Vec<bool>, StoreError> {
        self.write(|transaction| {
            let mut expiring = transaction.open_table(EXPIRING)?;
            let mut new = Vec::with_capacity(items.len());
            for item in items {
                let key = (table, item.key.as_slice());
                let vacant = expiring.get(key)?.is_none();
                if vacant {
                    expiring.insert(key, (item.expires_ms, item.value.as_slice()))?;
                }
                new.push(vacant);
            }
            Ok(new)
        })
    }

    fn get_expiring(&self, table: &str, key: &[u8]) -> Result<Option<Expiring>, StoreError> {
        self.read(|transaction| {
            let expiring = transaction.open_table(EXPIRING)?;
            Ok(expiring.get((table, key))?.map(|item| {
                let (expires_ms, value) = item.value();
                Expiring {
                    key: key.to_vec(),
                    value: value.to_vec(),
                    expires_ms,
                }
            }))
        })
    }

    fn take_expiring(&self, table: &str, key: &[u8]) -> Result<Option<Expiring>, StoreError> {
        self.write(|transaction| {
            let mut expiring = transaction.open_table(EXPIRING)?;
            let removed = expiring.remove((table, key))?;
            Ok(removed.map(|item| {
                let (expires_ms, value) = item.value();
                Expiring {
                    key: key.to_vec(),
                    value: value.to_vec(),
                    expires_ms,
                }
            }))
        })
    }

    fn list_expiring(&self, table: &str) -> Result<Vec<Expiring>, StoreError> {
        self.read(|transaction| {
            let expiring = transaction.open_table(EXPIRING)?;
            let mut items = Vec::new();
            for item in expiring.range((table, [].as_slice())..)? {
                let (key, value) = item?;
                let ((name, key), (expires_ms, value)) = (key.value(), value.value());
                if name != table {
                    break;
                }
                items.push(Expiring {
                    key: key.to_vec(),
                    value: value.to_vec(),
                    expires_ms,
                });
            }
            Ok(items)
        })
    }

    fn sweep(&self, now_ms: u64) -> Result<u64, StoreError> {
        self.write(|transaction| {
            let mut gone = 0;
            transaction.open_table(TAKEN)?.retain(|_, (_, expires_ms)| {
                gone += u64::from(expires_ms < now_ms);
                expires_ms >= now_ms
            })?;
            transaction.open_table(EXPIRING)?.retain(|_, (expires_ms, _)| {
                gone += u64::from(expires_ms < now_ms);
                expires_ms >= now_ms
            })?;
            Ok(gone)
        })
    }

    fn fsyncs(&self) -> u64 {
        self.fsyncs.load(Ordering::Relaxed)
    }
}
