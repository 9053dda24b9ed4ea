//! One custodian with its disk: a message comes in, the machine decides, the change is made durable, the answer goes out.

use crate::{
    clock,
    config::{Config, ConfigError},
    counters::Counters,
    files::{self, KeyFileError},
    sealed::{SealError, SealedShares},
};
use ed25519_dalek::SigningKey;
use quorate_protocol::{
    Committee, Refusal, batch,
    custodian::{Custodian, Identity, Peer, REPLAY_WINDOW_MS, Remembered, Saved},
    envelope::EnvelopeKey,
    key_ring::{KeyRing, Schemes},
    message::{self, Fetch, Fetched, LogEntry, MAX_TRACEPARENT, MAX_TRANSFER, Propose, Refused, Standing, path},
    step::{Change, Step},
};
use quorate_rules::{cbor::Canonical, leaf::Leaf};
use quorate_store::{Changes, CustodianStore, StoreError, file};
use rand_core::OsRng;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, atomic::Ordering};

/// Bytes of entries in one answer to `fetch`.
const FETCH_BYTES: usize = 2 << 20;
/// Entries read at once while starting.
const TAIL_STEP: u64 = 4096;
/// Name of the state record.
const STATE: &str = "state";
/// Name of the registry record.
const REGISTRY: &str = "registry";

/// The custodian cannot go on; whoever runs it must look.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// Configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A sealed share.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Genesis is missing or not this custodian's.
    #[error("{path}: {what}")]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
    /// The saved state does not fit together.
    #[error(
        "the saved state does not fit together ({0}); this custodian must not vote on it — restore nothing, rejoin by decision"
    )]
    State(Refusal),
    /// Two certificates exclude each other.
    #[error(
        "equivocation: two certificates exclude each other; the proof is in {0}; stop and show it to all custodians"
    )]
    Equivocation(PathBuf),
    /// The process or its sockets.
    #[error("{what}")]
    System {
        /// What failed.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The link's TLS.
    #[error("the link cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// An answer on the link.
#[derive(Debug)]
pub enum Answer {
    /// Accepted: the reply, canonical.
    Accepted(Vec<u8>),
    /// Refused.
    Refused(Vec<u8>),
    /// No such message.
    Unknown,
}

/// One custodian with its disk.
pub struct Node {
    custodian: Custodian,
    store: CustodianStore,
    shares: SealedShares,
    counters: Arc<Counters>,
    evidence: PathBuf,
}

impl Node {
    /// Opens disk and keys. The new incarnation is durable when this returns.
    pub fn open(config: &Config, counters: Arc<Counters>) -> Result<Self, Fatal> {
        let genesis = |what| Fatal::Genesis {
            path: config.genesis.clone(),
            what,
        };
        let bytes = file::read_bounded(&config.genesis, 1 << 20)?.ok_or_else(|| genesis("there is no such file"))?;
        let committee = Committee::from_genesis(&bytes).map_err(|_| genesis("not a genesis document"))?;
        let key = SigningKey::from_bytes(&*files::read_key(&config.identity_key)?);
        if committee.number_of(key.verifying_key().as_bytes()) != Some(config.number) {
            return Err(genesis("it does not name this identity key under this number"));
        }
        let envelope = EnvelopeKey::from_bytes(*files::read_key(&config.envelope_key)?);
        if committee
            .custodian(config.number)
            .is_none_or(|record| record.envelope_key.0 != envelope.public())
        {
            return Err(genesis("it does not name this envelope key under this number"));
        }
        let seal_key = files::read_key(&config.seal_key)?;
        let shares = SealedShares::open(
            &config.shares,
            &seal_key,
            committee.genesis_hash().as_bytes(),
            config.number,
        )?;
        let mut keys = KeyRing::new(Schemes::of(committee.body().token_alg));
        for (transcript, bytes) in shares.read_all()? {
            keys.load(transcript, &bytes).map_err(Fatal::State)?;
        }
        let store = CustodianStore::open(&config.store)?;
        let saved = read_saved(&store)?;
        let identity = Identity {
            number: config.number,
            key,
            envelope,
        };
        let restored = Custodian::restore(identity, committee, keys, &saved, &mut OsRng).map_err(Fatal::State)?;
        let custodian = restored.persist(|change| write(&store, &shares, change))?;
        let evidence = config.store.with_file_name("equivocation.cbor");
        let node = Self {
            custodian,
            store,
            shares,
            counters,
            evidence,
        };
        node.count();
        Ok(node)
    }

    /// The custodian.
    pub const fn custodian(&self) -> &Custodian {
        &self.custodian
    }

    /// Answers one message of an authenticated peer. An error is fatal: the machine may be ahead of its disk.
    pub fn answer(&mut self, peer: Peer, path: &str, body: &[u8]) -> Result<Answer, Fatal> {
        let outcome = self.dispatch(peer, path, body)?;
        self.count();
        Ok(match outcome {
            None => Answer::Unknown,
            Some(Ok(reply)) => Answer::Accepted(reply),
            Some(Err(refusal)) => {
                self.counters.refusals.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(refusal = refusal.code(), path, "refused");
                if let Some(proof) = self.custodian.equivocation() {
                    file::write_whole(&self.evidence, &proof.to_canonical(), file::Durability::Now)?;
                    return Err(Fatal::Equivocation(self.evidence.clone()));
                }
                let refused = Refused {
                    code: refusal.code().to_owned(),
                    view: self.custodian.view(),
                };
                Answer::Refused(refused.to_canonical())
            }
        })
    }

    /// The link was cut: nonces die with it.
    pub fn disconnected(&mut self) {
        self.custodian.drop_attempts();
    }

    fn dispatch(&mut self, peer: Peer, path: &str, body: &[u8]) -> Result<Option<Result<Vec<u8>, Refusal>>, Fatal> {
        let now_ms = clock::now_ms();
        self.custodian.expire_attempts(now_ms);
        let custodian = &mut self.custodian;
        let outcome: Result<Step<Vec<u8>>, Refusal> = match path {
            path::HELLO => message::read(body).and_then(|m| custodian.hello(peer, &m)).map(reply),
            path::PEER => message::read(body)
                .and_then(|m| custodian.state_about(peer, &m))
                .map(reply),
            path::JOIN => message::read(body).and_then(|m| custodian.join(peer, &m)).map(encode),
            path::NEW_VIEW => message::read(body)
                .and_then(|m| custodian.enter_view(peer, &m))
                .map(encode),
            path::FOLLOW => message::read(body).and_then(|m| custodian.follow(peer, &m)).map(encode),
            path::PROPOSE => {
                let message = message::read(body);
                let leaves = match &message {
                    Ok(message) => self.store_leaves(message)?,
                    Err(_) => BTreeMap::new(),
                };
                let custodian = &mut self.custodian;
                let voted = message.and_then(|m| {
                    log_traces(&m);
                    custodian.propose(peer, &m, (now_ms, &leaves), &mut OsRng)
                });
                self.counters
                    .votes
                    .fetch_add(u64::from(voted.is_ok()), Ordering::Relaxed);
                voted.map(encode)
            }
            path::COMMIT => {
                let known = custodian.banned().count();
                let committed = message::read(body).and_then(|m| custodian.commit(peer, &m, now_ms, &mut OsRng));
                alarm_bans(custodian, known);
                self.counters
                    .commits
                    .fetch_add(u64::from(committed.is_ok()), Ordering::Relaxed);
                committed.map(encode)
            }
            path::DKG_BEGIN => message::read(body)
                .and_then(|m| custodian.dkg_begin(peer, &m, &mut OsRng))
                .map(reply),
            path::DKG_ROUND => message::read(body)
                .and_then(|m| custodian.dkg_round(peer, &m, &mut OsRng))
                .map(reply),
            path::DKG_FINISH => message::read(body)
                .and_then(|m| custodian.dkg_finish(peer, &m))
                .map(encode),
            path::FETCH => match message::read::<Fetch>(body) {
                Ok(_) if !custodian.is_gateway(peer) => Err(Refusal::NotTheGateway),
                Ok(fetch) => Ok(reply(self.fetch(&fetch)?)),
                Err(refusal) => Err(refusal),
            },
            path::METRICS => return Ok(Some(Ok(self.counters.lines().into_bytes()))),
            _ => return Ok(None),
        };
        match outcome {
            Err(refusal) => Ok(Some(Err(refusal))),
            Ok(step) => Ok(Some(Ok(
                step.persist(|change| write(&self.store, &self.shares, change))?
            ))),
        }
    }

    /// Leaves of the own log that judging this proposal takes. A leaf that the log does not hold is left out.
    fn store_leaves(&self, message: &message::SignedPropose) -> Result<BTreeMap<u64, Vec<u8>>, Fatal> {
        let mut leaves = BTreeMap::new();
        let Propose { head, entries, .. } = &message.proposal;
        let parent = head.size.saturating_sub(entries.len() as u64);
        for index in batch::wanted(&message.proposal) {
            // What lies above the proposal's parent is being decided, or about to be dropped.
            if index < parent {
                let entries = decode(self.store.entries(index, 1, usize::MAX)?)?;
                leaves.extend(entries.first().map(|entry| (index, entry.leaf.0.to_vec())));
            }
        }
        Ok(leaves)
    }

    fn fetch(&self, fetch: &Fetch) -> Result<Fetched, Fatal> {
        let limit = usize::try_from(fetch.limit).unwrap_or(MAX_TRANSFER).min(MAX_TRANSFER);
        let entries = self.store.entries(fetch.from, limit, FETCH_BYTES)?;
        let entries = entries
            .iter()
            .map(|bytes| LogEntry::from_canonical(bytes).map(LogEntry::for_others))
            .collect::<Result<_, _>>()
            .map_err(|_| Fatal::State(Refusal::Malformed))?;
        Ok(Fetched { entries })
    }

    fn count(&self) {
        let counters = &self.counters;
        counters.fsyncs.store(self.store.fsyncs(), Ordering::Relaxed);
        counters
            .size
            .store(self.custodian.certified().head().size, Ordering::Relaxed);
        counters.view.store(self.custodian.view().0, Ordering::Relaxed);
        counters
            .banned
            .store(self.custodian.banned().count() as u64, Ordering::Relaxed);
        counters.voting.store(
            u64::from(self.custodian.standing() == Standing::Voting),
            Ordering::Relaxed,
        );
    }
}

fn reply(message: impl Canonical) -> Step<Vec<u8>> {
    Step::without_change(message.to_canonical())
}

fn encode(step: Step<impl Canonical>) -> Step<Vec<u8>> {
    step.map(|message| message.to_canonical())
}

/// Bans beyond those known before are told to whoever runs this custodian: it cannot end one, and must not.
fn alarm_bans(custodian: &Custodian, known: usize) {
    for cheat in custodian.banned().skip(known) {
        tracing::error!(
            custodian = cheat,
            "caught cheating in a multiplication and banned for good: this custodian signs no token with it again. Either it or this one is \
             broken or taken over; tell the administrators, whom `quorate rekey` leads to new keys without the one at fault"
        );
    }
}

/// Before the proposal is judged, so a longer one, for which it will be refused, is left out.
fn log_traces(message: &message::SignedPropose) {
    for entry in &message.proposal.entries {
        if let Some(traceparent) = entry
            .traceparent
            .as_ref()
            .filter(|trace| trace.len() <= MAX_TRACEPARENT)
        {
            tracing::debug!(traceparent, size = message.proposal.head.size, "judging");
        }
    }
}

/// Shares first, so that no record ever names a share that is not sealed; what is retired goes last.
fn write(store: &CustodianStore, shares: &SealedShares, change: Change) -> Result<(), Fatal> {
    if let Some(secret) = &change.seal {
        shares.write(&secret.transcript, &secret.bytes)?;
    }
    let mut changes = Changes {
        truncate_from: change.truncate_from,
        entries: change.entries,
        records: Vec::new(),
    };
    changes.records.extend(change.state.map(|bytes| (STATE, bytes)));
    changes.records.extend(change.registry.map(|bytes| (REGISTRY, bytes)));
    if changes.truncate_from.is_some() || !changes.entries.is_empty() || !changes.records.is_empty() {
        store.apply(&changes)?;
    }
    if let Some(keep) = &change.retire_shares_but {
        shares.remove_but(keep)?;
    }
    Ok(())
}

fn read_saved(store: &CustodianStore) -> Result<Saved, Fatal> {
    let state = store.record(STATE)?;
    let registry = store.record(REGISTRY)?;
    let Some(bytes) = &state else {
        return Ok(Saved::default());
    };
    let malformed = |_| Fatal::State(Refusal::Malformed);
    let settled = quorate_protocol::saved::SavedState::from_canonical(bytes)
        .map_err(malformed)?
        .settled_size();
    let settled = settled.ok_or(Fatal::State(Refusal::Malformed))?;
    let tail = read_from(store, settled)?;
    let mut remembered = Vec::new();
    // Backwards from the newest entry until nothing older can be alive, in steps that memory does not notice.
    let newest_ms = match tail.last() {
        Some(entry) => time_of(entry)?,
        None => store_time(store, settled)?,
    };
    let mut steps = vec![remember(settled, &tail, newest_ms)];
    let mut from = settled;
    while from > 0 {
        let end = from;
        from = end.saturating_sub(TAIL_STEP);
        let earlier = decode(store.entries(from, usize::try_from(end - from).unwrap_or(usize::MAX), usize::MAX)?)?;
        steps.push(remember(from, &earlier, newest_ms));
        let oldest_ms = earlier.first().map(time_of).transpose()?.unwrap_or(0);
        if oldest_ms.saturating_add(REPLAY_WINDOW_MS) < newest_ms {
            break;
        }
    }
    for step in steps.into_iter().rev() {
        remembered.extend(step);
    }
    Ok(Saved {
        state,
        registry,
        tail,
        remembered,
    })
}

fn remember(from: u64, entries: &[LogEntry], newest_ms: u64) -> Vec<Remembered> {
    (from..)
        .zip(entries)
        .filter_map(|(index, entry)| Remembered::of(index, entry, newest_ms))
        .collect()
}

/// Time of the entry before `size`.
fn store_time(store: &CustodianStore, size: u64) -> Result<u64, Fatal> {
    let Some(index) = size.checked_sub(1) else {
        return Ok(0);
    };
    let last = decode(store.entries(index, 1, usize::MAX)?)?;
    last.first().map(time_of).transpose().map(Option::unwrap_or_default)
}

fn read_from(store: &CustodianStore, from: u64) -> Result<Vec<LogEntry>, Fatal> {
    decode(store.entries(from, usize::MAX, usize::MAX)?)
}

fn decode(entries: Vec<Vec<u8>>) -> Result<Vec<LogEntry>, Fatal> {
    let decoded: Result<Vec<_>, _> = entries.iter().map(|bytes| LogEntry::from_canonical(bytes)).collect();
    decoded.map_err(|_| Fatal::State(Refusal::Malformed))
}

fn time_of(entry: &LogEntry) -> Result<u64, Fatal> {
    Leaf::decode(&entry.leaf.0)
        .map(|leaf| leaf.time_ms)
        .map_err(|_| Fatal::State(Refusal::Malformed))
}
