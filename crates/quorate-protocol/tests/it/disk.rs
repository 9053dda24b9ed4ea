//! A custodian's disk in memory. It applies a change and reads it back exactly as the custodian program does with its database.

use quorate_protocol::{
    Head,
    custodian::{REPLAY_WINDOW_MS, Remembered, Saved},
    key_ring::{KeyRing, Schemes},
    message::LogEntry,
    saved::SavedState,
    step::Change,
};
use quorate_rules::{cbor::Canonical, leaf::Leaf};
use quorate_tlog::range::CompactRange;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

#[derive(Clone, Default)]
pub struct Disk {
    pub state: Option<Vec<u8>>,
    pub registry: Option<Vec<u8>>,
    pub entries: BTreeMap<u64, Vec<u8>>,
    pub shares: BTreeMap<[u8; 32], Zeroizing<Vec<u8>>>,
}

impl Disk {
    pub fn write(&mut self, change: Change) {
        if let Some(secret) = change.seal {
            self.shares.insert(secret.transcript, secret.bytes);
        }
        if let Some(from) = change.truncate_from {
            self.entries.retain(|index, _| *index < from);
        }
        for (index, bytes) in change.entries {
            let next = self.entries.len() as u64;
            assert!(index <= next, "entry {index} leaves a gap above {next}");
            self.entries.insert(index, bytes);
        }
        if let Some(state) = change.state {
            self.state = Some(state);
        }
        if let Some(registry) = change.registry {
            self.registry = Some(registry);
        }
        if let Some(keep) = change.retire_shares_but {
            self.shares.retain(|transcript, _| *transcript == keep);
        }
    }

    pub fn saved_state(&self) -> Option<SavedState> {
        self.state
            .as_ref()
            .map(|bytes| SavedState::from_canonical(bytes).unwrap())
    }

    fn entry(&self, index: u64) -> LogEntry {
        LogEntry::from_canonical(&self.entries[&index]).unwrap()
    }

    /// What the custodian reads when it starts: everything above the settled head, and backwards what may still be replayed.
    pub fn read(&self) -> Saved {
        let Some(state) = self.saved_state() else {
            return Saved::default();
        };
        let size = self.entries.len() as u64;
        let time_of = |index| Leaf::decode(&self.entry(index).leaf.0).unwrap().time_ms;
        let newest_ms = size.checked_sub(1).map_or(0, time_of);
        let settled = state.settled_size().unwrap().min(size);
        let recent = (0..size).filter(|index| time_of(*index) + REPLAY_WINDOW_MS > newest_ms);
        Saved {
            state: self.state.clone(),
            registry: self.registry.clone(),
            tail: (settled..size).map(|index| self.entry(index)).collect(),
            remembered: recent
                .filter_map(|index| Remembered::of(index, &self.entry(index), newest_ms))
                .collect(),
        }
    }

    pub fn keys(&self, schemes: Schemes) -> KeyRing {
        let mut keys = KeyRing::new(schemes);
        for (transcript, bytes) in &self.shares {
            keys.load(*transcript, bytes).unwrap();
        }
        keys
    }

    /// Every head that the entries on this disk have.
    pub fn heads(&self) -> Vec<Head> {
        let mut range = CompactRange::new();
        let mut heads = Vec::new();
        for index in 0..self.entries.len() as u64 {
            range.append(Leaf::decode(&self.entry(index).leaf.0).unwrap().hash());
            heads.push(Head {
                size: range.size(),
                root: range.root(),
            });
        }
        heads
    }
}
