//! The gateway's own copy of the log: what it appends before it proposes, and what it knows to be certified. Disposable.

use quorate_protocol::{
    Committee, Head, QuorumCertificate, View,
    batch::{self, Seen},
    coordinator::Batch,
    custodian::{REPLAY_WINDOW_MS, Remembered},
    message::{LogEntry, MAX_BATCH, MAX_TRANSFER, ProposedEntry, note_heads},
    saved::SavedTip,
    sealing::{BodySealer, seal_to_subject},
    tip::Tip,
};
use quorate_rules::{
    Registry, canonical,
    cbor::{Bytes, Canonical},
    leaf::{EntryType, Leaf},
};
use quorate_store::{Append, AppendError, Head as StoredHead, LogStore, StoreError, Taken};
use quorate_tlog::range::CompactRange;
use rand_core::OsRng;
use std::sync::Arc;

use minicbor::{Decode, Encode};

/// Name of the record of the certified tip.
const CERTIFIED: &str = "certified";
/// Name of the record of its registry.
const REGISTRY: &str = "registry";

/// The gateway's copy cannot be used; it is disposable.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The transaction did not happen.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// What was read does not fit together.
    #[error("the gateway's copy of the log is damaged ({0}); remove its store, and it rebuilds from the custodians")]
    Damaged(&'static str),
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct CertifiedRecord {
    #[n(0)]
    tip: SavedTip,
    #[n(1)]
    certificate: Option<QuorumCertificate>,
}
canonical!(CertifiedRecord => "certified record");

/// The copy.
pub struct Ledger {
    store: Arc<dyn LogStore>,
    committee: Committee,
    stored: Option<StoredHead>,
    certified: Tip,
    certificate: Option<QuorumCertificate>,
    saved_registry: Arc<Registry>,
}

impl Ledger {
    /// Reads the copy: the certified tip, and whatever was appended after it.
    pub fn open(store: Arc<dyn LogStore>, committee: Committee) -> Result<Self, LedgerError> {
        let registry = match store.record(REGISTRY)? {
            Some(bytes) => Registry::from_saved(&bytes).map_err(|_| LedgerError::Damaged("registry"))?,
            None => Registry::new(),
        };
        let registry = Arc::new(registry);
        let (certified, certificate) = match store.record(CERTIFIED)? {
            None => (Tip::empty(), None),
            Some(bytes) => {
                let record =
                    CertifiedRecord::from_canonical(&bytes).map_err(|_| LedgerError::Damaged("certified record"))?;
                let range =
                    CompactRange::decode(&record.tip.range).map_err(|_| LedgerError::Damaged("certified range"))?;
                let recent = recent(store.as_ref(), range.size(), record.tip.time_ms)?;
                let heads = Remembered::heads(&recent, range.size());
                (
                    Tip::from_parts(range, Arc::clone(&registry), record.tip.time_ms, heads),
                    record.certificate,
                )
            }
        };
        let stored = store.head()?;
        if stored.is_none_or(|head| head.size < certified.head().size) && certified.head().size > 0 {
            return Err(LedgerError::Damaged("fewer entries than certified"));
        }
        Ok(Self {
            store,
            committee,
            stored,
            certified,
            certificate,
            saved_registry: registry,
        })
    }

    /// Certified tip and its certificate.
    pub fn certified(&self) -> (Tip, Option<QuorumCertificate>) {
        (self.certified.clone(), self.certificate.clone())
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn LogStore> {
        Arc::clone(&self.store)
    }

    /// Identifiers whose evidence may still be alive.
    pub fn seen(&self) -> Result<Seen, LedgerError> {
        let recent = recent(
            self.store.as_ref(),
            self.certified.head().size,
            self.certified.time_ms(),
        )?;
        Ok(Remembered::seen(&recent))
    }

    /// Entries from an index on.
    pub fn read(&self, from: u64, limit: usize) -> Result<Vec<LogEntry>, LedgerError> {
        read_entries(self.store.as_ref(), from, limit)
    }

    /// Appends a batch on top of the certified tip, durably, before it is proposed.
    pub fn append(&mut self, batch: &Batch) -> Result<(), LedgerError> {
        self.drop_tail()?;
        let entries = self.seal(batch.first, &batch.entries, batch)?;
        let taken = batch
            .identifiers()
            .map(|(index, jti, expires_ms)| Taken {
                key: jti.to_vec(),
                index,
                expires_ms,
            })
            .collect();
        self.write(batch.view, batch.head(), entries, taken)
    }

    fn seal(&self, first: u64, entries: &[ProposedEntry], batch: &Batch) -> Result<Vec<Vec<u8>>, LedgerError> {
        let sealer = BodySealer::new(&self.committee.audit_key().0, &mut OsRng);
        let mut identifiers = batch.identifiers().peekable();
        let mut out = Vec::with_capacity(entries.len());
        for (index, entry) in (first..).zip(entries) {
            let leaf = Leaf::decode(&entry.leaf.0).map_err(|_| LedgerError::Damaged("leaf"))?;
            let mut kept = LogEntry::of_leaf(entry.leaf);
            if leaf.entry_type == EntryType::Token {
                let opening = entry.opening.as_ref().zip(sealer.as_ref());
                let sealed = opening.and_then(|(opening, sealer)| sealer.seal(index, &leaf.hash(), opening));
                kept.sealed = sealed.map(|sealed| Bytes(sealed.to_canonical()));
                let subject = batch.grant_at(index).and_then(|grant| grant.subject_tag_key());
                let opening = entry.opening.as_ref().zip(subject);
                kept.for_subject = opening.and_then(|(opening, subject)| {
                    let place = (self.committee.log(), index);
                    seal_to_subject(subject, place, &leaf.hash(), opening, &mut OsRng)
                });
            } else {
                kept.opening = entry.opening.clone();
            }
            if let Some((_, jti, dies_ms)) = identifiers.next_if(|(at, ..)| *at == index) {
                kept.jti = Some(quorate_rules::cbor::Array(jti));
                kept.dies_ms = Some(dies_ms);
            }
            out.push(kept);
        }
        note_heads(first, &mut out, batch.tip.heads());
        Ok(out.iter().map(Canonical::to_canonical).collect())
    }

    /// Takes a batch as certified. It is written along with the next append: should this gateway die before, it learns it from the
    /// custodians.
    pub fn certify(&mut self, tip: Tip, certificate: QuorumCertificate) {
        self.certified = tip;
        self.certificate = Some(certificate);
    }

    /// Makes the certified tip durable now.
    pub fn save(&mut self) -> Result<(), LedgerError> {
        let records = self.records();
        let records: Vec<_> = records
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        Ok(self.store.set_records(&records)?)
    }

    /// Identifiers, and their deaths, of what was appended but is not certified.
    pub fn tail_identifiers(&self) -> Result<Vec<([u8; 32], u64)>, LedgerError> {
        let entries = self.read(self.certified.head().size, MAX_BATCH)?;
        let identifier = |entry: LogEntry| Some((entry.jti?.0, entry.dies_ms?));
        Ok(entries.into_iter().filter_map(identifier).collect())
    }

    /// Drops what was appended but never certified.
    pub fn drop_tail(&mut self) -> Result<(), LedgerError> {
        let certified = self.certified.head();
        if self.stored.map_or(0, |head| head.size) == certified.size {
            return Ok(());
        }
        let view = self.certificate.as_ref().map_or(0, |certificate| certificate.view.0);
        let head = StoredHead {
            view,
            size: certified.size,
            root: *certified.root.as_bytes(),
        };
        let head = (certified.size > 0).then_some(head);
        self.store.truncate(self.stored.as_ref(), head.as_ref())?;
        self.stored = head;
        Ok(())
    }

    /// The tip at a certificate's head, from what was appended after the certified tip; `None` if it is not there.
    pub fn tail_at(&self, head: Head) -> Result<Option<Tip>, LedgerError> {
        let from = self.certified.head().size;
        let Some(count) = head.size.checked_sub(from) else {
            return Ok(None);
        };
        let entries = self.read(from, usize::try_from(count).unwrap_or(usize::MAX))?;
        if entries.len() as u64 != count {
            return Ok(None);
        }
        let tip = batch::follow(&self.certified, &self.committee, &entries).ok();
        Ok(tip.filter(|tip| tip.head() == head))
    }

    /// Appends entries that a custodian holds under a certificate, on top of the certified tip. The head is checked by the caller
    /// once the last is there.
    pub fn heal(&mut self, view: View, entries: Vec<LogEntry>) -> Result<(), LedgerError> {
        let tip = batch::follow(&self.certified, &self.committee, &entries)
            .map_err(|_| LedgerError::Damaged("entries of a custodian do not continue the log"))?;
        let first = self.certified.head().size;
        let mut entries: Vec<LogEntry> = entries.into_iter().map(LogEntry::for_others).collect();
        note_heads(first, &mut entries, tip.heads());
        let encoded = entries.iter().map(Canonical::to_canonical).collect();
        self.certified = tip;
        self.write(view, self.certified.head(), encoded, Vec::new())
    }

    /// Forgets everything: the next heal begins from an empty log.
    pub fn forget(&mut self) -> Result<(), LedgerError> {
        self.store.truncate(self.stored.as_ref(), None)?;
        self.stored = None;
        self.certified = Tip::empty();
        self.certificate = None;
        self.saved_registry = Arc::new(Registry::new());
        self.store.set_records(&[(REGISTRY, Registry::new().to_saved())])?;
        self.save()
    }

    fn write(&mut self, view: View, head: Head, entries: Vec<Vec<u8>>, taken: Vec<Taken>) -> Result<(), LedgerError> {
        let new = StoredHead {
            view: view.0,
            size: head.size,
            root: *head.root.as_bytes(),
        };
        let append = Append {
            head: new,
            entries,
            taken,
            records: self.records(),
        };
        self.store.append(self.stored.as_ref(), &append)?;
        self.stored = Some(new);
        Ok(())
    }

    fn records(&mut self) -> Vec<(String, Vec<u8>)> {
        let record = CertifiedRecord {
            tip: SavedTip::from(&self.certified),
            certificate: self.certificate.clone(),
        };
        let mut records = vec![(CERTIFIED.to_owned(), record.to_canonical())];
        let registry = self.certified.registry_arc();
        if !Arc::ptr_eq(&registry, &self.saved_registry) {
            records.push((REGISTRY.to_owned(), registry.to_saved()));
            self.saved_registry = registry;
        }
        records
    }
}

/// What is still alive of the entries below `size`, whose newest is of `newest_ms`.
fn recent(store: &dyn LogStore, size: u64, newest_ms: u64) -> Result<Vec<Remembered>, LedgerError> {
    let mut steps = Vec::new();
    let mut from = size;
    while from > 0 {
        let end = from;
        from = end.saturating_sub(MAX_TRANSFER as u64);
        let entries = read_entries(store, from, usize::try_from(end - from).unwrap_or(usize::MAX))?;
        let oldest = entries.first().map(|entry| Leaf::decode(&entry.leaf.0));
        let alive = |(index, entry): (u64, &LogEntry)| Remembered::of(index, entry, newest_ms);
        steps.push((from..).zip(&entries).filter_map(alive).collect::<Vec<_>>());
        let oldest_ms = match oldest {
            Some(leaf) => leaf.map_err(|_| LedgerError::Damaged("leaf"))?.time_ms,
            None => 0,
        };
        if oldest_ms.saturating_add(REPLAY_WINDOW_MS) < newest_ms {
            break;
        }
    }
    Ok(steps.into_iter().rev().flatten().collect())
}

/// Entries of a gateway's store, decoded.
pub fn read_entries(store: &dyn LogStore, from: u64, limit: usize) -> Result<Vec<LogEntry>, LedgerError> {
    let entries = store.entries(from, limit)?;
    let decoded: Result<_, _> = entries.iter().map(|bytes| LogEntry::from_canonical(bytes)).collect();
    decoded.map_err(|_| LedgerError::Damaged("entry"))
}
