//! Anchors for pages: the newest published head with its last leaf, and the registry that the leaf names.

use crate::{
    clock,
    publish::{Published, SignedCheckpoint},
    sequencer::{Reply, Request, Seen},
};
use quorate_protocol::coordinator::Order;
use quorate_rules::{Leaf, Registry};
use quorate_store::LogStore;
use quorate_tlog::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// An anchor older than this gets a successor first, milliseconds: it must last for the page's own two minutes and the redemption.
const FRESH_MS: u64 = 45_000;
/// Longest wait for a fresh anchor.
const WAIT: Duration = Duration::from_secs(5);

/// A published head, ready for pages.
#[derive(Debug, Clone)]
pub struct PageAnchor {
    /// Size of the log.
    pub size: u64,
    /// Signed checkpoint.
    pub checkpoint: String,
    /// Last leaf, encoded.
    pub leaf: Vec<u8>,
    /// Its time, milliseconds.
    pub time_ms: u64,
    /// Its inclusion proof.
    pub proof: Vec<Hash>,
    /// The registry after it; its root is what the leaf names, unless the leaf changed it.
    pub registry: Arc<Registry>,
    settled: bool,
}

impl PageAnchor {
    /// Reads leaf and proof of a head that was just published.
    pub fn new(
        published: &Published,
        store: &dyn LogStore,
        signed: &SignedCheckpoint,
        registry: Arc<Registry>,
    ) -> Option<Self> {
        let size = signed.head.size;
        let index = size.checked_sub(1)?;
        let (head, proof) = published.prove_inclusion(index)?;
        let entry = crate::ledger::read_entries(store, index, 1).ok()?.into_iter().next()?;
        let leaf = Leaf::decode(&entry.leaf.0).ok()?;
        (head == signed.head).then(|| Self {
            size,
            checkpoint: signed.note.clone(),
            time_ms: leaf.time_ms,
            proof,
            settled: leaf.registry_root == registry.root(),
            leaf: entry.leaf.0.to_vec(),
            registry,
        })
    }
}

/// Where fresh anchors come from.
pub struct Anchors {
    /// Newest.
    pub newest: watch::Receiver<Option<Arc<PageAnchor>>>,
    /// Requests to the sequencer, for ticks.
    pub requests: mpsc::Sender<Request>,
    /// The certified log as seen from outside.
    pub seen: watch::Receiver<Seen>,
}

impl Anchors {
    /// An anchor that is young, and whose registry is the one in force; with a tick if need be. None if there is no quorum.
    pub async fn fresh(&self) -> Option<Arc<PageAnchor>> {
        let deadline = tokio::time::Instant::now() + WAIT;
        let mut newest = self.newest.clone();
        let mut ticked = 0;
        loop {
            let anchor = newest.borrow_and_update().clone();
            let current = anchor.as_ref().is_some_and(|anchor| self.is_current(anchor));
            if current {
                return anchor;
            }
            let (size, unpublished) = {
                let seen = self.seen.borrow();
                let published = anchor.as_ref().map_or(0, |anchor| anchor.size);
                (seen.head.size, seen.head.size > published)
            };
            // What is certified and not yet published may be enough; only where nothing is under way a tick is due.
            if !unpublished && ticked != size {
                ticked = size;
                self.tick().await?;
            }
            tokio::select! {
                changed = newest.changed() => changed.ok()?,
                () = tokio::time::sleep_until(deadline) => return None,
            }
        }
    }

    fn is_current(&self, anchor: &PageAnchor) -> bool {
        let registry = Arc::clone(&self.seen.borrow().registry);
        anchor.settled
            && registry.root() == anchor.registry.root()
            && clock::now_ms().saturating_sub(anchor.time_ms) <= FRESH_MS
    }

    /// Asks for a tick and waits until it is certified, or refused because it is not due.
    async fn tick(&self) -> Option<()> {
        let (request, outcome) = Request::of(Order::Tick);
        self.requests.try_send(request).ok()?;
        match outcome.await {
            Ok(Reply::Logged(_) | Reply::Refused(_)) => Some(()),
            _ => None,
        }
    }
}

/// The record of a key with everything that a page needs to believe it; none if there is no such record for pages.
pub fn proven_record(anchor: &PageAnchor, key: &str) -> Option<serde_json::Value> {
    let proven = anchor.registry.prove(key)?;
    let mut value = page_anchor(anchor);
    value["record"] = base64(&proven.record).into();
    value["salt"] = base64(&proven.salt).into();
    value["record_index"] = proven.index.into();
    value["record_count"] = proven.count.into();
    value["record_proof"] = hashes(&proven.proof);
    Some(value)
}

/// An anchor as pages get it.
pub fn page_anchor(anchor: &PageAnchor) -> serde_json::Value {
    serde_json::json!({
        "checkpoint": anchor.checkpoint,
        "leaf": base64(&anchor.leaf),
        "leaf_proof": hashes(&anchor.proof),
    })
}

fn hashes(hashes: &[Hash]) -> serde_json::Value {
    hashes.iter().map(|hash| base64(hash.as_bytes())).collect()
}

/// base64url without padding.
pub fn base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}
