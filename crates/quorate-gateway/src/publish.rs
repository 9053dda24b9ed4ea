//! Publication: tiles and checkpoint as files, at most a second behind what is signed. Immutable but for the checkpoint.

use crate::{anchors::PageAnchor, ledger::read_entries, sequencer::SignedHead};
use quorate_protocol::{Head, QuorumCertificate, permit::checkpoint_text};
use quorate_rules::cbor::{Array, Canonical};
use quorate_store::{LogStore, Objects, StoreError};
use quorate_tlog::{
    checkpoint::Checkpoint,
    hash::{Hash, leaf_hash},
    note::{Note, VerifierKey},
    proof::{self, HashReader},
    range::CompactRange,
    tile::{self, Tile, TileReader, tiles_between},
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Pause between publications.
const EVERY: Duration = Duration::from_millis(250);
/// Entries published at once.
const STEP: u64 = 65_536;
/// Largest tile or checkpoint.
pub const MAX_OBJECT: usize = 17 << 20;
/// Path of the checkpoint below the log's prefix.
pub const CHECKPOINT: &str = "checkpoint";
/// Name of the record of the certificate of the published head.
const CERTIFICATE: &str = "published";

/// Publication failed; the log itself is not touched by that.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The disk, or an immutable object with other contents.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The own copy.
    #[error(transparent)]
    Ledger(#[from] crate::ledger::LedgerError),
    /// What is published does not fit the log.
    #[error("the published log does not fit the certified one: {0}")]
    Misfit(&'static str),
}

/// A published head with its signed note.
#[derive(Debug, Clone)]
pub struct SignedCheckpoint {
    /// The head.
    pub head: Head,
    /// The note.
    pub note: String,
}

/// The published log.
pub struct Published {
    objects: Arc<dyn Objects>,
    store: Arc<dyn LogStore>,
    newest: Mutex<Option<(Head, QuorumCertificate)>>,
}

impl Published {
    /// The published log as it was left.
    pub fn open(objects: Arc<dyn Objects>, store: Arc<dyn LogStore>) -> Result<Self, PublishError> {
        let mut newest = None;
        let checkpoint = objects.get(CHECKPOINT, MAX_OBJECT)?;
        let certificate = store.record(CERTIFICATE)?;
        if let (Some(note), Some(certificate)) = (checkpoint, certificate) {
            let misfit = |_| PublishError::Misfit("checkpoint");
            let note = Note::parse(&note).map_err(|_| PublishError::Misfit("checkpoint"))?;
            let checkpoint = Checkpoint::parse(note.text()).map_err(|_| PublishError::Misfit("checkpoint"))?;
            let certificate = QuorumCertificate::from_canonical(&certificate).map_err(misfit)?;
            let head = Head {
                size: checkpoint.size,
                root: checkpoint.root,
            };
            newest = (certificate.head == head).then_some((head, certificate));
        }
        Ok(Self {
            objects,
            store,
            newest: Mutex::new(newest),
        })
    }

    /// An object of the published log.
    pub fn get(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.objects.get(path, MAX_OBJECT) {
            Err(StoreError::BadPath(_)) => Ok(None),
            other => other,
        }
    }

    /// Published head.
    pub fn head(&self) -> Option<Head> {
        self.newest().map(|(head, _)| head)
    }

    fn newest(&self) -> Option<(Head, QuorumCertificate)> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reader(&self, size: u64) -> TileReader<impl Fn(&Tile) -> Result<Vec<u8>, PublishError> + '_> {
        TileReader::new(size, |tile: &Tile| {
            let found = self.objects.get(&tile.path(), MAX_OBJECT)?;
            found.ok_or(PublishError::Misfit("a tile is missing"))
        })
    }

    /// The published certificate, and the proof that the first `size` leaves are a prefix of it.
    pub fn prove_prefix(&self, size: u64) -> Option<(QuorumCertificate, Vec<Array<32>>)> {
        let (head, certificate) = self.newest()?;
        let proof = proof::consistency(&self.reader(head.size), size, head.size).ok()??;
        Some((certificate, proof.iter().map(|hash| Array(*hash.as_bytes())).collect()))
    }

    /// Inclusion proof of a published leaf, with its head.
    pub fn prove_inclusion(&self, index: u64) -> Option<(Head, Vec<Hash>)> {
        let (head, _) = self.newest()?;
        let proof = proof::inclusion(&self.reader(head.size), index, head.size).ok()??;
        Some((head, proof))
    }

    /// Publishes everything up to a signed head.
    pub fn publish(
        &self,
        signed: &SignedHead,
        key: &VerifierKey,
        origin: &str,
    ) -> Result<SignedCheckpoint, PublishError> {
        let from = self.newest().map_or(0, |(head, _)| head.size);
        let mut range = match from {
            0 => CompactRange::new(),
            size => proof::frontier(&self.reader(size), size).map_err(|_| PublishError::Misfit("frontier"))?,
        };
        while range.size() < signed.head.size {
            let end = signed.head.size.min(range.size() + STEP);
            self.publish_part(&mut range, end)?;
        }
        if range.root() != signed.head.root {
            return Err(PublishError::Misfit("another root"));
        }
        let text = checkpoint_text(origin, signed.head).map_err(|_| PublishError::Misfit("origin"))?;
        let note =
            Note::new(&text, vec![key.signature(&signed.signature)]).map_err(|_| PublishError::Misfit("note"))?;
        self.store
            .set_records(&[(CERTIFICATE, signed.certificate.to_canonical())])?;
        self.objects.replace(CHECKPOINT, note.encode().as_bytes())?;
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some((signed.head, signed.certificate.clone()));
        Ok(SignedCheckpoint {
            head: signed.head,
            note: note.encode(),
        })
    }

    /// The published checkpoint as it was left.
    pub fn checkpoint(&self) -> Result<Option<SignedCheckpoint>, PublishError> {
        let (Some(head), Some(note)) = (self.head(), self.objects.get(CHECKPOINT, MAX_OBJECT)?) else {
            return Ok(None);
        };
        let note = String::from_utf8(note).map_err(|_| PublishError::Misfit("checkpoint"))?;
        Ok(Some(SignedCheckpoint { head, note }))
    }

    fn publish_part(&self, range: &mut CompactRange, end: u64) -> Result<(), PublishError> {
        let begin = range.size();
        // Partial tiles need what stands in them from before.
        let first = begin - begin % tile::WIDTH;
        let entries = read_entries(
            self.store.as_ref(),
            first,
            usize::try_from(end - first).unwrap_or(usize::MAX),
        )?;
        if entries.len() as u64 != end - first {
            return Err(PublishError::Misfit("entries are missing"));
        }
        let mut new = BTreeMap::new();
        for (index, entry) in (first..).zip(&entries) {
            if index >= begin {
                range.append_with(leaf_hash(&entry.leaf.0), |node| {
                    new.insert((node.level, node.index), node.hash);
                });
            }
        }
        let nodes = Nodes {
            new,
            before: self.reader(begin),
            begin,
        };
        for tile in tiles_between(begin, end) {
            let bytes = match tile.level {
                Some(_) => tile::hash_tile(&nodes, &tile).map_err(|_| PublishError::Misfit("hash tile"))?,
                None => {
                    let skip = usize::try_from(tile.first_entry() - first).unwrap_or(usize::MAX);
                    let bundle = entries
                        .iter()
                        .skip(skip)
                        .take(usize::from(tile.width))
                        .map(|entry| &entry.leaf.0[..]);
                    tile::encode_bundle(bundle).map_err(|_| PublishError::Misfit("entries tile"))?
                }
            };
            self.objects.create(&tile.path(), &bytes)?;
        }
        Ok(())
    }
}

/// New nodes, and those of the tree that was published before.
struct Nodes<R> {
    new: BTreeMap<(u8, u64), Hash>,
    before: R,
    begin: u64,
}

impl<R: HashReader> HashReader for Nodes<R> {
    type Error = PublishError;

    fn node(&self, level: u8, index: u64) -> Result<Hash, PublishError> {
        if let Some(hash) = self.new.get(&(level, index)) {
            return Ok(*hash);
        }
        if (index + 1) << level > self.begin {
            return Err(PublishError::Misfit("node beyond the tree"));
        }
        self.before.node(level, index).map_err(|_| PublishError::Misfit("node"))
    }
}

/// Publishes for ever what the sequencer signs.
pub async fn keep_publishing(
    published: Arc<Published>,
    mut signed: watch::Receiver<Option<SignedHead>>,
    log_key: impl Fn() -> Option<VerifierKey> + Send + 'static,
    origin: String,
    anchors: watch::Sender<Option<Arc<PageAnchor>>>,
) {
    while signed.changed().await.is_ok() {
        let newest = signed.borrow_and_update().clone();
        if let (Some(head), Some(key)) = (newest, log_key()) {
            let (published, origin) = (Arc::clone(&published), origin.clone());
            let outcome = tokio::task::spawn_blocking(move || {
                let checkpoint = published.publish(&head, &key, &origin)?;
                let store = Arc::clone(&published.store);
                Ok(PageAnchor::new(&published, store.as_ref(), &checkpoint, head.registry))
            })
            .await;
            match outcome {
                Ok(Ok(anchor)) => {
                    metrics::counter!("quorate_publications_total").increment(1);
                    anchors.send_replace(anchor.map(Arc::new));
                }
                Ok(Err::<_, PublishError>(error)) => {
                    metrics::counter!("quorate_publication_failures_total").increment(1);
                    tracing::error!(%error, "cannot publish; tokens go on, the public log stands still");
                }
                Err(error) => tracing::error!(%error, "publication stopped"),
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
