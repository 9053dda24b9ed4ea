//! The links to all custodians: who is there, how fast it answers, and how to ask it.

use crate::{clock, tls};
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use quorate_protocol::{
    Committee, Head, Refusal, View,
    message::{MAX_MESSAGE, Refused, Standing, Status},
};
use quorate_rules::cbor::Canonical;
use std::collections::BTreeMap;
use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Longest wait for an answer to anything but a batch.
pub const ANSWER: Duration = Duration::from_secs(10);

/// A custodian that refused a batch is asked last for so long: then one batch finds out whether it still refuses, milliseconds.
const REFUSED_MS: u64 = 10_000;

/// A custodian is slow that takes so many times what the quickest takes, and at least this long, microseconds.
const SLOW: u64 = 4;
const SLOW_US: u64 = 50_000;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It is not linked, or the link broke.
    #[error("custodian {0} is not linked")]
    Gone(u16),
    /// It did not answer in time.
    #[error("custodian {0} did not answer in time")]
    Slow(u16),
    /// It refused.
    #[error("custodian {custodian} refused: {refusal}")]
    Refused {
        /// Its number.
        custodian: u16,
        /// Why.
        refusal: Refusal,
        /// Its view.
        view: View,
    },
    /// Its answer cannot be read.
    #[error("the answer of custodian {0} cannot be read")]
    Unreadable(u16),
}

/// What is known of one custodian.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Newest status.
    pub status: Option<Status>,
    /// When it last answered anything, milliseconds; 0 for never.
    pub last_seen_ms: u64,
    /// Smoothed time of an answer to a batch, microseconds.
    pub answer_us: u64,
    /// It let a batch time out and has answered nothing since.
    pub suspect: bool,
    /// Its last refusal to take part in a batch, and when, milliseconds; none since it took part again.
    pub refused: Option<(Refusal, u64)>,
    /// Links made since the start.
    pub links: u64,
    /// How often signatures failed lately of sets that it was in, with nobody to blame.
    pub spoilt: u32,
    /// Incarnations seen; two at once are an alarm.
    pub incarnation: u64,
}

impl Known {
    fn votes(&self) -> bool {
        self.status
            .as_ref()
            .is_some_and(|status| status.standing == Standing::Voting)
    }
}

struct Slot {
    sender: RwLock<Option<(u64, SendRequest<Full<Bytes>>)>>,
    known: RwLock<Known>,
}

/// All custodians of the committee.
pub struct Custodians {
    committee: Committee,
    slots: BTreeMap<u16, Slot>,
    links: AtomicU64,
    /// Changes whenever a custodian comes, goes or changes its standing.
    changed: watch::Sender<u64>,
}

impl Custodians {
    /// Nobody linked yet.
    pub fn new(committee: Committee) -> Arc<Self> {
        let slot = |_| Slot {
            sender: RwLock::new(None),
            known: RwLock::new(Known::default()),
        };
        let slots = committee.numbers().map(|number| (number, slot(number))).collect();
        Arc::new(Self {
            committee,
            slots,
            links: AtomicU64::new(0),
            changed: watch::channel(0).0,
        })
    }

    /// The committee.
    pub const fn committee(&self) -> &Committee {
        &self.committee
    }

    /// Tells of every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What is known of each.
    pub fn known(&self) -> BTreeMap<u16, (bool, Known)> {
        self.slots
            .iter()
            .map(|(number, slot)| {
                let linked = slot.sender.read().unwrap_or_else(PoisonError::into_inner).is_some();
                (
                    *number,
                    (
                        linked,
                        slot.known.read().unwrap_or_else(PoisonError::into_inner).clone(),
                    ),
                )
            })
            .collect()
    }

    /// Custodians that are linked.
    pub fn linked(&self) -> Vec<u16> {
        self.known()
            .into_iter()
            .filter(|(_, (linked, _))| *linked)
            .map(|(number, _)| number)
            .collect()
    }

    /// Custodians that are linked and vote.
    pub fn voting(&self) -> Vec<u16> {
        self.known()
            .into_iter()
            .filter(|(_, (linked, known))| *linked && known.votes())
            .map(|(number, _)| number)
            .collect()
    }

    /// Custodians that are linked and vote, in the order in which a batch on `head` asks them: those that refused or let a batch time
    /// out last, before them the slow, before them those that would have to catch up first, which costs a batch two more trips.
    pub fn ranked(&self, head: Head) -> Vec<u16> {
        let now_ms = clock::now_ms();
        let voting: Vec<_> = self
            .known()
            .into_iter()
            .filter(|(_, (linked, known))| *linked && known.votes())
            .collect();
        let quickest_us = voting.iter().map(|(_, (_, known))| known.answer_us).min();
        let slow_us = quickest_us.unwrap_or(0).saturating_mul(SLOW).max(SLOW_US);
        let mut ranked: Vec<_> = voting
            .into_iter()
            .map(|(number, (_, known))| {
                let refused = known
                    .refused
                    .is_some_and(|(_, at_ms)| now_ms.saturating_sub(at_ms) < REFUSED_MS);
                let behind = known.status.as_ref().is_none_or(|status| status.certified != head);
                let rank = (
                    known.suspect || refused,
                    known.spoilt,
                    known.answer_us > slow_us,
                    behind,
                );
                (rank, known.answer_us / 4096, number)
            })
            .collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(.., number)| number).collect()
    }

    /// Pairs of whom the first has banned the second.
    pub fn bans(&self) -> Vec<(u16, u16)> {
        let of_one = |(by, (_, known)): (u16, (bool, Known))| {
            let banned = known.status.map(|status| status.banned).unwrap_or_default();
            banned.into_iter().map(move |cheat| (by, cheat))
        };
        self.known().into_iter().flat_map(of_one).collect()
    }

    /// Changes what is known of one.
    pub fn note(&self, number: u16, change: impl FnOnce(&mut Known)) {
        if let Some(slot) = self.slots.get(&number) {
            change(&mut slot.known.write().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Takes a newer status.
    pub fn take_status(&self, number: u16, status: Status) {
        let mut news = false;
        self.note(number, |known| {
            news = known.status.as_ref().is_none_or(|old| old.standing != status.standing);
            known.incarnation = known.incarnation.max(status.incarnation);
            known.status = Some(status);
        });
        if news {
            self.changed.send_modify(|count| *count += 1);
        }
    }

    /// Certified head that a custodian is known to hold.
    pub fn certified(&self, number: u16) -> Option<Head> {
        let slot = self.slots.get(&number)?;
        let known = slot.known.read().unwrap_or_else(PoisonError::into_inner);
        known.status.as_ref().map(|status| status.certified)
    }

    /// Asks one custodian.
    pub async fn ask<R: Canonical>(
        &self,
        number: u16,
        path: &'static str,
        body: Bytes,
        patience: Duration,
    ) -> Result<R, AskError> {
        self.ask_counted(number, (path, path), body, patience).await
    }

    /// Asks one custodian; the bytes of question and answer count under `name`.
    pub async fn ask_counted<R: Canonical>(
        &self,
        number: u16,
        (path, name): (&'static str, &'static str),
        body: Bytes,
        patience: Duration,
    ) -> Result<R, AskError> {
        let bytes = metrics::counter!("quorate_link_bytes_total", "message" => name);
        bytes.increment(body.len() as u64);
        let slot = self.slots.get(&number).ok_or(AskError::Gone(number))?;
        let sender = slot.sender.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (_, mut sender) = sender.ok_or(AskError::Gone(number))?;
        let exchange = async {
            let request = Request::post(format!("http://custodian{path}"))
                .body(Full::new(body))
                .ok()?;
            let response = sender.send_request(request).await.ok()?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_MESSAGE)
                .collect()
                .await
                .ok()?
                .to_bytes();
            Some((status, body))
        };
        let (status, body) = match tokio::time::timeout(patience, exchange).await {
            Err(_) => {
                self.note(number, |known| known.suspect = true);
                return Err(AskError::Slow(number));
            }
            Ok(None) => return Err(AskError::Gone(number)),
            Ok(Some(answer)) => answer,
        };
        bytes.increment(body.len() as u64);
        self.note(number, |known| {
            known.last_seen_ms = clock::now_ms();
            known.suspect = false;
        });
        match status {
            StatusCode::OK => R::from_canonical(&body).map_err(|_| AskError::Unreadable(number)),
            StatusCode::UNPROCESSABLE_ENTITY => {
                let refused = Refused::from_canonical(&body).map_err(|_| AskError::Unreadable(number))?;
                let refusal = refused.refusal().ok_or(AskError::Unreadable(number))?;
                Err(AskError::Refused {
                    custodian: number,
                    refusal,
                    view: refused.view,
                })
            }
            _ => Err(AskError::Unreadable(number)),
        }
    }

    /// The counters of one custodian, as `name value` lines.
    pub async fn counters(&self, number: u16) -> Option<String> {
        let slot = self.slots.get(&number)?;
        let (_, mut sender) = slot.sender.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let request = Request::post("http://custodian/v1/metrics")
            .body(Full::new(Bytes::new()))
            .ok()?;
        let response = tokio::time::timeout(Duration::from_secs(1), sender.send_request(request))
            .await
            .ok()?
            .ok()?;
        let body = Limited::new(response.into_body(), 64 * 1024)
            .collect()
            .await
            .ok()?
            .to_bytes();
        String::from_utf8(body.to_vec()).ok()
    }

    fn linked_up(&self, number: u16, sender: SendRequest<Full<Bytes>>) -> u64 {
        let link = self.links.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(slot) = self.slots.get(&number) {
            *slot.sender.write().unwrap_or_else(PoisonError::into_inner) = Some((link, sender));
        }
        self.note(number, |known| {
            known.status = None;
            known.suspect = false;
            known.links += 1;
            known.last_seen_ms = clock::now_ms();
        });
        self.changed.send_modify(|count| *count += 1);
        link
    }

    fn link_lost(&self, number: u16, link: u64) {
        if let Some(slot) = self.slots.get(&number) {
            let mut sender = slot.sender.write().unwrap_or_else(PoisonError::into_inner);
            // A newer link of the same custodian stays.
            if sender.as_ref().is_some_and(|(current, _)| *current == link) {
                *sender = None;
            }
        }
        self.changed.send_modify(|count| *count += 1);
    }
}

/// Accepts custodians for ever. Each new link is given to `shepherd`.
pub async fn accept(
    listener: TcpListener,
    link_key: SigningKey,
    custodians: Arc<Custodians>,
    on_link: tokio::sync::mpsc::UnboundedSender<u16>,
) -> Result<(), rustls::Error> {
    let identities = custodians
        .committee
        .numbers()
        .filter_map(|number| Some((*custodians.committee.identity(number)?.as_bytes(), number)))
        .collect();
    let acceptor = TlsAcceptor::from(Arc::new(tls::server(&link_key, identities)?));
    let mut links = JoinSet::new();
    loop {
        while links.try_join_next().is_some() {}
        let Ok((tcp, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (acceptor, custodians, on_link) = (acceptor.clone(), Arc::clone(&custodians), on_link.clone());
        links.spawn(async move {
            if let Err(error) = link(tcp, acceptor, &custodians, &on_link).await {
                tracing::debug!(%error, "link refused or lost");
            }
        });
    }
}

async fn link(
    tcp: TcpStream,
    acceptor: TlsAcceptor,
    custodians: &Custodians,
    on_link: &tokio::sync::mpsc::UnboundedSender<u16>,
) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp))
        .await
        .map_err(std::io::Error::other)??;
    let peer = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let number = peer
        .and_then(|key| tls::ed25519_of(key))
        .and_then(|key| custodians.committee.number_of(&key));
    let number = number.ok_or_else(|| std::io::Error::other("no custodian of this tenant"))?;
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(MAX_MESSAGE as u32)
        .initial_connection_window_size(2 * MAX_MESSAGE as u32)
        .max_frame_size(256 * 1024)
        .keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(std::io::Error::other)?;
    let id = custodians.linked_up(number, sender);
    tracing::info!(custodian = number, "linked");
    let _ = on_link.send(number);
    let ended = connection.await;
    custodians.link_lost(number, id);
    tracing::info!(custodian = number, "link lost");
    ended.map_err(std::io::Error::other)
}
