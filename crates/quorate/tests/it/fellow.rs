//! A custodian that the test plays in a running system: the real machine on its own directory, with its own link to the gateway. It sees
//! the rounds of a batch go by, so it can strike in the middle of one, and it can answer something else than its machine does.

use crate::{load::signal, system::System};
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use quorate::layout::Layout;
use quorate_custodian::{
    config::Config,
    counters::Counters,
    files,
    node::{Answer, Node},
    tls,
};
use quorate_protocol::{
    Committee,
    attempt::AttemptContext,
    custodian::Peer,
    envelope::{Envelope, EnvelopeKey},
    message::{Commit, Committed, MAX_MESSAGE, Outputs, Purpose, SignedOutputs, SignedPropose, Voted, path},
};
use quorate_rules::cbor::Canonical;
use rand_core::OsRng;
use rustix::process::Signal;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Its number: one of the four that `up` starts.
pub const FELLOW: u16 = 4;

/// Rounds of a token by threshold ECDSA.
pub const ROUNDS: u8 = 3;

/// What it does when it is asked for its outputs of this round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    Honest,
    /// Once: kills the first of the other signers while that one works on the same round.
    Kills {
        in_round: u8,
    },
    /// Seals nothing where the first of the other signers expects its part.
    SealsNothing {
        in_round: u8,
    },
    /// Once: changes its part of the multiplication with the first of the other signers.
    Cheats,
    /// Gives the gateway a false output in the last round.
    Spoils,
}

/// What it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deed {
    pub conduct: Conduct,
    /// The other signer.
    pub to: u16,
}

/// State that the test and the link's own thread share.
struct Shared {
    node: Mutex<Node>,
    conduct: Mutex<Conduct>,
    deeds: Mutex<Vec<Deed>>,
    /// What its machine said where it last said something else.
    truth: Mutex<Option<SignedOutputs>>,
    committee: Committee,
    identity: SigningKey,
    layout: Layout,
    gateway: [u8; 32],
}

/// The custodian; it ends with the test.
pub struct Fellow {
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

impl Fellow {
    /// Takes the place of a custodian in a system that is down. `up` will find that custodian's database in use and go on with this one.
    pub fn start(system: &System) -> Self {
        let layout = system.layout();
        let config = Config::load(&layout.custodian(FELLOW).join("custodian.toml")).unwrap();
        let identity = SigningKey::from_bytes(&files::read_key(&config.identity_key).unwrap());
        let node = Node::open(&config, Arc::new(Counters::default())).unwrap();
        let committee = node.custodian().committee().clone();
        let gateway = committee.body().gateways[0].link_key.0;
        let shared = Arc::new(Shared {
            node: Mutex::new(node),
            conduct: Mutex::new(Conduct::Honest),
            deeds: Mutex::default(),
            truth: Mutex::default(),
            committee,
            identity,
            layout,
            gateway,
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (linked, address) = (Arc::clone(&shared), config.gateway[0].address.clone());
        runtime.spawn(async move {
            loop {
                // Until the gateway listens, and again after it was started anew.
                let _ = serve(&linked, &address).await;
                linked.node.lock().unwrap().disconnected();
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        });
        Self {
            shared,
            _runtime: runtime,
        }
    }

    /// From now on it behaves like this. What it did before is forgotten.
    pub fn conduct(&self, conduct: Conduct) {
        *self.shared.conduct.lock().unwrap() = conduct;
        self.shared.deeds.lock().unwrap().clear();
    }

    /// What it did since it was told how to behave.
    pub fn deeds(&self) -> Vec<Deed> {
        self.shared.deeds.lock().unwrap().clone()
    }
}

async fn serve(shared: &Arc<Shared>, address: &str) -> std::io::Result<()> {
    let tls = tls::client(&shared.identity, &shared.gateway).map_err(std::io::Error::other)?;
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let name = "gateway.invalid".try_into().map_err(std::io::Error::other)?;
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await?;
    let shared = Arc::clone(shared);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(handle(&shared, request).await) }
    });
    http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(MAX_MESSAGE as u32)
        .initial_connection_window_size(2 * MAX_MESSAGE as u32)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(std::io::Error::other)
}

async fn handle(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let round = Round::of(&path, &body);
    if let Some(round) = &round {
        shared.strike(round);
    }
    let believed = shared.keep_up_appearances(&path, &body);
    let answer = shared
        .node
        .lock()
        .unwrap()
        .answer(Peer(shared.gateway), &path, &believed.unwrap_or(body));
    let (status, bytes) = match answer.unwrap() {
        Answer::Accepted(bytes) => {
            let told = round.and_then(|round| shared.lie(&round, &path, &bytes));
            (StatusCode::OK, told.unwrap_or(bytes))
        }
        Answer::Refused(bytes) => (StatusCode::UNPROCESSABLE_ENTITY, bytes),
        Answer::Unknown => (StatusCode::NOT_FOUND, Vec::new()),
    };
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    response
}

/// The round for whose outputs a message asks.
struct Round {
    number: u8,
    context: AttemptContext,
    /// The first of the other signers.
    other: u16,
}

impl Round {
    fn of(path: &str, body: &[u8]) -> Option<Self> {
        let (number, context) = match path {
            path::PROPOSE => {
                let proposal = SignedPropose::from_canonical(body).ok()?.proposal;
                let context = AttemptContext {
                    origin: proposal.origin,
                    epoch: 1,
                    view: proposal.view,
                    head: proposal.head,
                    attempt: proposal.attempt,
                    signers: proposal.signers,
                };
                (1, context)
            }
            path::COMMIT => {
                let commit = Commit::from_canonical(body).ok()?;
                let context = AttemptContext {
                    origin: commit.origin,
                    epoch: 1,
                    view: commit.certificate.view,
                    head: commit.certificate.head,
                    attempt: commit.attempt,
                    signers: commit.lists.iter().map(|list| list.custodian).collect(),
                };
                (commit.round + 1, context)
            }
            _ => return None,
        };
        let other = *context.signers.iter().find(|signer| **signer != FELLOW)?;
        Some(Self { number, context, other })
    }
}

impl Shared {
    fn did(&self, conduct: Conduct, to: u16) {
        self.deeds.lock().unwrap().push(Deed { conduct, to });
    }

    /// The one it kills works on its own answer at this moment, and without this custodian's the round cannot have ended.
    fn strike(&self, round: &Round) {
        let mut conduct = self.conduct.lock().unwrap();
        if *conduct != (Conduct::Kills { in_round: round.number }) {
            return;
        }
        let name = format!("custodian-{}", round.other);
        let running = self.layout.running().unwrap().unwrap();
        if signal(running.processes[&name], Signal::KILL) {
            self.did(*conduct, round.other);
            *conduct = Conduct::Honest;
        }
    }

    /// Its machine goes on only from the list that it made itself.
    fn keep_up_appearances(&self, path: &str, body: &[u8]) -> Option<Bytes> {
        let truth = self.truth.lock().unwrap().take().filter(|_| path == path::COMMIT)?;
        let mut commit = Commit::from_canonical(body).ok()?;
        let mut lists = commit.lists.iter_mut();
        *lists.find(|list| list.custodian == FELLOW)? = truth;
        Some(commit.to_canonical().into())
    }

    /// What it says instead of the truth.
    fn lie(&self, round: &Round, path: &str, answer: &[u8]) -> Option<Vec<u8>> {
        let conduct = *self.conduct.lock().unwrap();
        match conduct {
            Conduct::SealsNothing { in_round } if in_round == round.number => {}
            Conduct::Cheats if round.number == 2 => {}
            Conduct::Spoils if round.number == ROUNDS => {}
            _ => return None,
        }
        let told = if path == path::PROPOSE {
            let mut voted = Voted::from_canonical(answer).ok()?;
            self.change(conduct, round, &mut voted.outputs, &mut voted.envelopes)?;
            voted.to_canonical()
        } else {
            let mut committed = Committed::from_canonical(answer).ok()?;
            self.change(conduct, round, &mut committed.outputs, &mut committed.envelopes)?;
            committed.to_canonical()
        };
        self.did(conduct, round.other);
        if conduct == Conduct::Cheats {
            *self.conduct.lock().unwrap() = Conduct::Honest;
        }
        Some(told)
    }

    /// `None` where there is nothing to lie about: a batch without a token.
    fn change(
        &self,
        conduct: Conduct,
        round: &Round,
        signed: &mut SignedOutputs,
        envelopes: &mut [Envelope],
    ) -> Option<()> {
        let mut outputs = Outputs::from_canonical(&signed.list).ok()?;
        if conduct == Conduct::Spoils {
            let mut items = outputs.items.iter_mut();
            let token = items.find(|item| item.purpose != Purpose::Checkpoint)?;
            // Past the length of what it encodes.
            token.bytes.0[40] ^= 1;
        } else {
            let envelope = envelopes.iter_mut().find(|envelope| envelope.to == round.other)?;
            let key = files::read_key(&self.layout.custodian(round.other).join("envelope.key")).unwrap();
            let key = EnvelopeKey::from_bytes(*key);
            let mut plain = envelope.open(&key, &round.context.place(round.number))?.to_vec();
            if conduct == Conduct::Cheats {
                // Inside what the oblivious transfers carry: past the names and the points, before the salt.
                let middle = plain.len() / 2;
                plain[middle] ^= 0x10;
            } else {
                plain.clear();
            }
            let parties = (FELLOW, round.other);
            *envelope = Envelope::seal(
                &self.committee,
                parties,
                &round.context.place(round.number),
                &plain,
                &mut OsRng,
            )?;
            let mut named = outputs.enclosed.iter_mut();
            *named.find(|enclosed| enclosed.to == round.other)? = envelope.enclosed();
        }
        let told = round.context.sign(FELLOW, &self.identity, round.number, &outputs);
        *self.truth.lock().unwrap() = Some(std::mem::replace(signed, told));
        Some(())
    }
}
