//! The whole process: open, link, sequence, publish, serve, stop cleanly.

use crate::{
    anchors::{Anchors, PageAnchor},
    codes::Codes,
    config::{Config, ConfigError},
    custodians::{self, Custodians},
    http::{App, router},
    ledger::{Ledger, LedgerError},
    publish::{PublishError, Published, keep_publishing},
    sequencer::Sequencer,
    serve::serve,
    shepherd::{Flock, tend},
};
use ed25519_dalek::SigningKey;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use quorate_protocol::{Committee, coordinator::Coordinator, key_ring::Schemes};
use quorate_rules::name::PartyName;
use quorate_store::{DirectoryObjects, LogStore, Objects, RedbLog, StoreError, file};
use quorate_tlog::note::VerifierKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// The gateway cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// Configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The own copy of the log.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The published log.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A file is not what it should be.
    #[error("{path}: {what}")]
    File {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
    /// A port.
    #[error("cannot listen on {address}; is another process there?")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The limits of the process.
    #[error("cannot set the limits of this process")]
    Limits(#[source] std::io::Error),
    /// The link's TLS.
    #[error("the link cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The sequencer ended without a word: a fault of this program.
    #[error("the sequencer ended unexpectedly; please report this with the log")]
    Sequencer,
    /// The metrics recorder.
    #[error("metrics cannot be recorded")]
    Metrics,
}

/// Installs the recorder of this process; once.
pub fn install_metrics() -> Result<PrometheusHandle, Fatal> {
    let buckets = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
    let builder = PrometheusBuilder::new()
        .set_buckets(&buckets)
        .map_err(|_| Fatal::Metrics)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| Fatal::Metrics)?;
    Ok(handle)
}

/// As many open files as this process may have, since every waiting client is one; and a file-size limit is an error of the write that
/// meets it, like a full disk, instead of the death of the process.
fn use_limits() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    let signal = tokio::signal::unix::SignalKind::from_raw(Signal::XFSZ.as_raw());
    tokio::signal::unix::signal(signal).map(drop)
}

/// Runs the gateway of a configuration until `stop` turns true. A second signal ends waiting clients' connections too.
pub async fn run(config: Config, metrics: PrometheusHandle, stop: watch::Receiver<bool>) -> Result<(), Fatal> {
    use_limits().map_err(Fatal::Limits)?;
    let bad = |path: &PathBuf, what| Fatal::File {
        path: path.clone(),
        what,
    };
    let genesis =
        file::read_bounded(&config.genesis, 1 << 20)?.ok_or_else(|| bad(&config.genesis, "there is no such file"))?;
    let committee = Committee::from_genesis(&genesis).map_err(|_| bad(&config.genesis, "not a genesis document"))?;
    let key = read_key(&config.link_key)?;
    let name =
        PartyName::new(config.name.clone()).map_err(|_| bad(&config.genesis, "the gateway's name is no name"))?;

    let store: Arc<dyn LogStore> = Arc::new(RedbLog::open(&config.store)?);
    let objects: Arc<dyn Objects> = Arc::new(DirectoryObjects::open(&config.public)?);
    let published = Arc::new(Published::open(objects, Arc::clone(&store))?);
    let ledger = Ledger::open(Arc::clone(&store), committee.clone())?;
    let (tip, certificate) = ledger.certified();
    let coordinator = Coordinator::new(
        committee.clone(),
        Schemes::of(committee.body().token_alg),
        (name, key.clone()),
        (tip, certificate),
        ledger.seen()?,
    );
    let custodians = Custodians::new(committee.clone());
    let (sequencer, ends) = Sequencer::new(coordinator, ledger, Arc::clone(&custodians), published.head());

    let link = listen(config.link)?;
    let public = listen(config.listen)?;
    tracing::info!(listen = %config.listen, link = %config.link, origin = committee.origin(), "gateway started");
    let mut tasks: JoinSet<Result<(), Fatal>> = JoinSet::new();
    let (on_link, links) = mpsc::unbounded_channel();
    let accepting = custodians::accept(link, key, Arc::clone(&custodians), on_link);
    tasks.spawn(async move { Ok(accepting.await?) });
    let flock = Flock {
        custodians: Arc::clone(&custodians),
        store: Arc::clone(&store),
        published: Arc::clone(&published),
        seen: ends.seen.clone(),
    };
    tasks.spawn(shepherds(flock, links));
    let origin = committee.origin().to_owned();
    let (seen, name_of_key) = (ends.seen.clone(), origin.clone());
    let log_key = move || {
        let registry = Arc::clone(&seen.borrow().registry);
        VerifierKey::ed25519(&name_of_key, &registry.keys()?.log_key.0).ok()
    };
    let (anchor, newest) = watch::channel(first_anchor(&published, store.as_ref(), &ends.seen)?);
    let publishing = keep_publishing(Arc::clone(&published), ends.signed, log_key, origin, anchor);
    tasks.spawn(async move {
        publishing.await;
        Ok(())
    });
    let sweeping = Arc::clone(&store);
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(30)).await;
            let store = Arc::clone(&sweeping);
            let swept = tokio::task::spawn_blocking(move || store.sweep(crate::clock::now_ms())).await;
            if let Ok(swept) = swept {
                swept?;
            }
        }
    });
    let (codes, writer) = Codes::new(Arc::clone(&store));
    tasks.spawn(async move {
        writer.run().await;
        Ok(())
    });
    let anchors = Anchors {
        newest,
        requests: ends.requests.clone(),
        seen: ends.seen.clone(),
    };
    let app = App {
        config,
        codes,
        anchors,
        committee,
        requests: ends.requests,
        seen: ends.seen,
        published,
        store,
        custodians,
        metrics,
    };
    let mut ends_by_itself = JoinSet::new();
    ends_by_itself.spawn(serve(public, router(Arc::new(app)), stop.clone()));
    let mut sequencing = JoinSet::new();
    sequencing.spawn(sequencer.run(stop.clone()));
    let outcome = tokio::select! {
        ended = sequencing.join_next() => match ended {
            Some(Ok(ended)) => ended.map_err(Fatal::from),
            _ => Err(Fatal::Sequencer),
        },
        ended = failing(&mut tasks) => Err(ended),
    };
    // The batch in flight is ended by now; answers that are on their way get a moment to leave.
    let _ = tokio::time::timeout(Duration::from_secs(2), ends_by_itself.join_next()).await;
    outcome
}

/// The anchor of what was published before this start, if it is the certified head: then its registry is known.
fn first_anchor(
    published: &Published,
    store: &dyn LogStore,
    seen: &watch::Receiver<crate::sequencer::Seen>,
) -> Result<Option<Arc<PageAnchor>>, Fatal> {
    let seen = seen.borrow().clone();
    let checkpoint = published
        .checkpoint()?
        .filter(|checkpoint| checkpoint.head == seen.head);
    let anchor = checkpoint.and_then(|checkpoint| PageAnchor::new(published, store, &checkpoint, seen.registry));
    Ok(anchor.map(Arc::new))
}

async fn failing(tasks: &mut JoinSet<Result<(), Fatal>>) -> Fatal {
    loop {
        match tasks.join_next().await {
            Some(Ok(Err(fatal))) => return fatal,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

async fn shepherds(flock: Flock, mut links: mpsc::UnboundedReceiver<u16>) -> Result<(), Fatal> {
    let mut tending = JoinSet::new();
    while let Some(number) = links.recv().await {
        while tending.try_join_next().is_some() {}
        tending.spawn(tend(flock.clone(), number));
    }
    Ok(())
}

/// Connections that the kernel may hold until they are accepted. Where the queue is full, the kernel drops a handshake silently and the
/// client waits seconds for its own retransmission.
const BACKLOG: u32 = 4096;

fn listen(address: std::net::SocketAddr) -> Result<TcpListener, Fatal> {
    let open = || {
        let socket = match address {
            std::net::SocketAddr::V4(_) => TcpSocket::new_v4()?,
            std::net::SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|source| Fatal::Listen { address, source })
}

fn read_key(path: &Path) -> Result<SigningKey, Fatal> {
    let bad = |what| Fatal::File {
        path: path.to_owned(),
        what,
    };
    let text = file::read_bounded(path, 128)?
        .ok_or_else(|| bad("there is no such key file; keys are never made by accident"))?;
    let mut seed = [0; 32];
    hex::decode_to_slice(text.trim_ascii_end(), &mut seed)
        .map_err(|_| bad("not a key file: expected 64 hex digits"))?;
    Ok(SigningKey::from_bytes(&seed))
}
