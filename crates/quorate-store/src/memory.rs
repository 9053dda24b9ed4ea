//! A log store in memory, for in-process tests of a gateway. Nothing survives the process.

use crate::{Append, AppendError, Expiring, Head, LogStore, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module.
#[derive(Debug, Default)]
pub struct MemoryLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    head: Option<Head>,
    entries: Vec<Vec<u8>>,
    taken: BTreeMap<Vec<u8>, (u64, u64)>,
    records: BTreeMap<String, Vec<u8>>,
    expiring: BTreeMap<(String, Vec<u8>), (Vec<u8>, u64)>,
}

impl MemoryLog {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogStore for MemoryLog {
    fn head(&self) -> Result<Option<Head>, StoreError> {
        Ok(self.state().head)
    }

    fn append(&self, expected: Option<&Head>, append: &Append) -> Result<(), AppendError> {
        let mut state = self.state();
        if state.head.as_ref() != expected {
            return Err(AppendError::HeadMoved { found: state.head });
        }
        let mut new = BTreeSet::new();
        let twice: Vec<Vec<u8>> = append
            .taken
            .iter()
            .map(|taken| &taken.key)
            .filter(|key| state.taken.contains_key(*key) || !new.insert(*key))
            .cloned()
            .collect();
        if !twice.is_empty() {
            return Err(AppendError::AlreadyTaken { keys: twice });
        }
        state.entries.extend(append.entries.iter().cloned());
        for taken in &append.taken {
            state.taken.insert(taken.key.clone(), (taken.index, taken.expires_ms));
        }
        state.records.extend(append.records.iter().cloned());
        state.head = Some(append.head);
        Ok(())
    }

    fn truncate(&self, expected: Option<&Head>, head: Option<&Head>) -> Result<(), AppendError> {
        let mut state = self.state();
        if state.head.as_ref() != expected {
            return Err(AppendError::HeadMoved { found: state.head });
        }
        let size = head.map_or(0, |head| head.size);
        state.entries.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        state.taken.retain(|_, (index, _)| *index < size);
        state.head = head.copied();
        Ok(())
    }

    fn entries(&self, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(self.state().entries.iter().skip(skip).take(limit).cloned().collect())
    }

    fn record(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state().records.get(name).cloned())
    }

    fn set_records(&self, records: &[(&str, Vec<u8>)]) -> Result<(), StoreError> {
        let mut state = self.state();
        for (name, value) in records {
            state.records.insert((*name).to_owned(), value.clone());
        }
        Ok(())
    }

    fn put_expiring(&self, table: &str, item: &Expiring) -> Result<(), StoreError> {
        let key = (table.to_owned(), item.key.clone());
        self.state().expiring.insert(key, (item.value.clone(), item.expires_ms));
        Ok(())
    }

    fn insert_expiring(&self, table: &str, items: &[Expiring]) -> Result<Vec<bool>, StoreError> {
        let mut state = self.state();
        let insert = |item: &Expiring| match state.expiring.entry((table.to_owned(), item.key.clone())) {
            std::collections::btree_map::Entry::Occupied(_) => false,
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert((item.value.clone(), item.expires_ms));
                true
            }
        };
        Ok(items.iter().map(insert).collect())
    }

    fn get_expiring(&self, table: &str, key: &[u8]) -> Result<Option<Expiring>, StoreError> {
        let state = self.state();
        let found = state.expiring.get(&(table.to_owned(), key.to_vec()));
        Ok(found.map(|(value, expires_ms)| Expiring {
            key: key.to_vec(),
            value: value.clone(),
            expires_ms: *expires_ms,
        }))
    }

    fn take_expiring(&self, table: &str, key: &[u8]) -> Result<Option<Expiring>, StoreError> {
        let removed = self.state().expiring.remove(&(table.to_owned(), key.to_vec()));
        Ok(removed.map(|(value, expires_ms)| Expiring {
            key: key.to_vec(),
            value,
            expires_ms,
        }))
    }

    fn list_expiring(&self, table: &str) -> Result<Vec<Expiring>, StoreError> {
        let state = self.state();
        let of_table = state.expiring.iter().filter(|((name, _), _)| name == table);
        Ok(of_table
            .map(|((_, key), (value, expires_ms))| Expiring {
                key: key.clone(),
                value: value.clone(),
                expires_ms: *expires_ms,
            })
            .collect())
    }

    fn sweep(&self, now_ms: u64) -> Result<u64, StoreError> {
        let mut state = self.state();
        let before = state.taken.len() + state.expiring.len();
        state.taken.retain(|_, (_, expires_ms)| *expires_ms >= now_ms);
        state.expiring.retain(|_, (_, expires_ms)| *expires_ms >= now_ms);
        Ok((before - state.taken.len() - state.expiring.len()) as u64)
    }

    fn fsyncs(&self) -> u64 {
        0
    }
}
