//! Authorizations that wait for their code (ARCHITECTURE §3): kept by the hash of the code, judged before they are kept, and not believed.

use minicbor::{Decode, Encode};
use quorate_rules::{canonical, cbor::Canonical, evidence::SignIn};
use quorate_store::{Expiring, LogStore, StoreError};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Table of authorizations.
const TABLE: &str = "codes";
/// Authorizations that may wait to be written; one more is told to come back.
const QUEUE: usize = 1024;
/// Authorizations written in one transaction.
const GROUP: usize = 256;

/// An authorization could not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// Another authorization has this code: the first one stands.
    #[error("this code is taken")]
    Taken,
    /// Too many are waiting, or the store failed.
    #[error("the authorization cannot be kept at the moment")]
    Unavailable,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Kept {
    #[n(0)]
    sign_in: SignIn,
}
canonical!(Kept => "kept authorization");

struct Write {
    item: Expiring,
    outcome: oneshot::Sender<Result<(), KeepError>>,
}

/// The authorizations.
pub struct Codes {
    store: Arc<dyn LogStore>,
    writes: mpsc::Sender<Write>,
    in_flight: Mutex<HashSet<[u8; 32]>>,
}

/// The writer's end.
pub struct Writer {
    store: Arc<dyn LogStore>,
    writes: mpsc::Receiver<Write>,
}

impl Codes {
    /// The authorizations in a store, and the writer that somebody must run.
    pub fn new(store: Arc<dyn LogStore>) -> (Self, Writer) {
        let (writes, receiver) = mpsc::channel(QUEUE);
        let writer = Writer {
            store: Arc::clone(&store),
            writes: receiver,
        };
        let codes = Self {
            store,
            writes,
            in_flight: Mutex::new(HashSet::new()),
        };
        (codes, writer)
    }

    /// Keeps an authorization until it is of no use. First write wins.
    pub async fn keep(&self, code_hash: [u8; 32], sign_in: SignIn, dies_ms: u64) -> Result<(), KeepError> {
        let item = Expiring {
            key: code_hash.to_vec(),
            value: Kept { sign_in }.to_canonical(),
            expires_ms: dies_ms,
        };
        let (outcome, answer) = oneshot::channel();
        self.writes
            .try_send(Write { item, outcome })
            .map_err(|_| KeepError::Unavailable)?;
        answer.await.unwrap_or(Err(KeepError::Unavailable))
    }

    /// The authorization of a code.
    pub fn find(&self, code_hash: &[u8; 32]) -> Result<Option<SignIn>, StoreError> {
        let item = self.store.get_expiring(TABLE, code_hash)?;
        Ok(item
            .and_then(|item| Kept::from_canonical(&item.value).ok())
            .map(|kept| kept.sign_in))
    }

    /// Marks a code as being redeemed, until the mark is dropped; none if it is marked already.
    pub fn redeem(&self, code_hash: [u8; 32]) -> Option<InFlight<'_>> {
        let new = self.marks().insert(code_hash);
        // Made only where the mark is new: the drop of one that was not handed out would take away the first one's mark.
        new.then(|| InFlight { codes: self, code_hash })
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, HashSet<[u8; 32]>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A code that is being redeemed.
pub struct InFlight<'a> {
    codes: &'a Codes,
    code_hash: [u8; 32],
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.codes.marks().remove(&self.code_hash);
    }
}

impl Writer {
    /// Writes what arrived while the last write was under way, for ever.
    pub async fn run(mut self) {
        let mut group = Vec::new();
        while self.writes.recv_many(&mut group, GROUP).await > 0 {
            let (items, outcomes): (Vec<_>, Vec<_>) = group.drain(..).map(|write| (write.item, write.outcome)).unzip();
            let store = Arc::clone(&self.store);
            let written = tokio::task::spawn_blocking(move || store.insert_expiring(TABLE, &items)).await;
            let news = match written {
                Ok(Ok(news)) => news
                    .into_iter()
                    .map(|new| if new { Ok(()) } else { Err(KeepError::Taken) })
                    .collect(),
                Ok(Err(error)) => {
                    tracing::error!(%error, "authorizations cannot be kept");
                    vec![Err(KeepError::Unavailable); outcomes.len()]
                }
                Err(_) => vec![Err(KeepError::Unavailable); outcomes.len()],
            };
            for (outcome, new) in outcomes.into_iter().zip(news) {
                let _ = outcome.send(new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_rules::{
        cbor::{Array, Bytes},
        evidence::{Answer, Tap},
        webauthn::Assertion,
    };
    use quorate_store::MemoryLog;

    fn sign_in(mark: u8) -> SignIn {
        let assertion = Assertion {
            credential_id: Bytes(vec![mark]),
            authenticator_data: Bytes(vec![]),
            client_data: Bytes(vec![]),
            signature: Bytes(vec![]),
        };
        let tap = Tap {
            grant: Bytes(vec![mark]),
            assertion,
        };
        SignIn {
            grant: Bytes(vec![mark]),
            answer: Answer::Session(Array([0; 64]), tap),
        }
    }

    #[tokio::test]
    async fn the_first_authorization_of_a_code_stands() {
        let store: Arc<dyn LogStore> = Arc::new(MemoryLog::default());
        let (codes, writer) = Codes::new(store);
        let mut writing = tokio::task::JoinSet::new();
        writing.spawn(writer.run());
        assert_eq!(codes.keep([1; 32], sign_in(1), 10).await, Ok(()));
        assert_eq!(codes.keep([1; 32], sign_in(2), 10).await, Err(KeepError::Taken));
        assert!(codes.find(&[1; 32]).unwrap().unwrap() == sign_in(1));
        assert!(codes.find(&[2; 32]).unwrap().is_none());
        let mark = codes.redeem([1; 32]).unwrap();
        // A try in vain leaves the mark where it is.
        for _ in 0..2 {
            assert!(codes.redeem([1; 32]).is_none());
        }
        drop(mark);
        assert!(codes.redeem([1; 32]).is_some());
    }
}
