//! The whole process: harden, open, link, stop cleanly.

use crate::{
    config::Config,
    counters::Counters,
    files, harden,
    link::{Desk, Gateway, keep_linked},
    node::{Fatal, Node},
    tls,
};
use ed25519_dalek::SigningKey;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What `quorate-custodian --help` prints.
pub const HELP: &str = "\
Runs one custodian of a Quorate tenant.

A custodian holds one share of keys that exist nowhere as a whole. It dials its gateway, checks the proof behind every token itself,
records the entry durably, votes, and signs only what a quorum has recorded. It needs no open port. It runs until SIGTERM or Ctrl-C:
then it takes no new work, ends what is in flight and exits with 0. Where it must not go on, it says why and exits with 1.

Usage: quorate-custodian run --config FILE [--log text|json] [--log-level LEVEL]

Options:
  --config FILE       configuration; docs/OPERATING.md shows one with every key
  --log text|json     form of the log lines on standard error [default: text]
  --log-level LEVEL   error, warn, info, debug or trace [default: info]
  --version           print the version
  --help              print this help

Never run two copies of one custodian, and never restore its data from a backup: others notice, and it never votes again.
";

/// How the process was started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// End when standard input closes: the parent that started it is gone.
    pub end_with_stdin: bool,
}

/// Runs the custodian of a configuration file until it is told to stop.
pub async fn run(config_file: &Path, options: Options) -> Result<(), Fatal> {
    harden::process()
        .and_then(|()| harden::limits_are_errors())
        .map_err(|source| Fatal::System {
            what: "cannot harden the process",
            source,
        })?;
    let config = Config::load(config_file)?;
    let counters = Arc::new(Counters::default());
    let node = Node::open(&config, Arc::clone(&counters))?;
    tracing::info!(
        number = config.number,
        origin = node.custodian().committee().origin(),
        head = %node.custodian().certified().head(),
        view = %node.custodian().view(),
        "custodian started"
    );
    let identity = SigningKey::from_bytes(&*files::read_key(&config.identity_key)?);
    let gateways = resolve(&config, &node, &identity)?;
    let (desk, mut ended) = Desk::start(node);
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for gateway in gateways {
        tasks.spawn(keep_linked(
            gateway,
            desk.clone(),
            Arc::clone(&counters),
            stopped.clone(),
        ));
    }
    drop(desk);
    if let Some(address) = config.metrics {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|source| Fatal::System {
                what: "cannot open the metrics port",
                source,
            })?;
        tasks.spawn(serve_metrics(listener, counters, config.number, stopped));
    }
    let fatal = tokio::select! {
        fatal = &mut ended => fatal.ok().flatten(),
        () = told_to_stop(options) => None,
    };
    if let Some(fatal) = fatal {
        return Err(fatal);
    }
    tracing::info!("stopping: no new work, what is in flight is ended");
    stop.send_replace(true);
    while tasks.join_next().await.is_some() {}
    match ended.await {
        Ok(Some(fatal)) => Err(fatal),
        _ => Ok(()),
    }
}

/// The link key of each gateway comes from the tenant's own record of it, never from the configuration.
fn resolve(config: &Config, node: &Node, identity: &SigningKey) -> Result<Vec<Gateway>, Fatal> {
    let registry = node.custodian().certified().registry();
    let genesis = &node.custodian().committee().body().gateways;
    let mut gateways = Vec::new();
    for wanted in &config.gateway {
        let enrolled: Vec<_> = registry.gateways().collect();
        let known = if enrolled.is_empty() {
            genesis.iter().collect()
        } else {
            enrolled
        };
        let record = known
            .into_iter()
            .find(|gateway| gateway.name.as_str() == wanted.name)
            .ok_or_else(|| Fatal::Genesis {
                path: config.genesis.clone(),
                what: "a configured gateway is not enrolled in this tenant",
            })?;
        let tls = Arc::new(tls::client(identity, &record.link_key.0)?);
        let (name, address) = (wanted.name.clone(), wanted.address.clone());
        gateways.push(Gateway {
            name,
            address,
            key: record.link_key.0,
            tls,
        });
    }
    Ok(gateways)
}

async fn told_to_stop(options: Options) {
    let signal = |kind| tokio::signal::unix::signal(kind);
    let (Ok(mut term), Ok(mut int)) = (
        signal(tokio::signal::unix::SignalKind::terminate()),
        signal(tokio::signal::unix::SignalKind::interrupt()),
    ) else {
        return;
    };
    let stdin = async {
        if !options.end_with_stdin {
            return std::future::pending().await;
        }
        let mut stdin = tokio::io::stdin();
        let mut buffer = [0u8; 64];
        while stdin.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    };
    tokio::select! {
        _ = term.recv() => {}
        // A terminal sends the interrupt to the whole group; with a parent on the other end of stdin, the parent decides.
        _ = int.recv(), if !options.end_with_stdin => {}
        () = stdin => {}
    }
}

async fn serve_metrics(
    listener: tokio::net::TcpListener,
    counters: Arc<Counters>,
    number: u16,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        let Ok((mut stream, _)) = accepted else { continue };
        // One small answer to whatever is asked; a scraper on loopback needs no more HTTP than this.
        let mut request = [0u8; 1024];
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), stream.read(&mut request)).await;
        let body = counters.prometheus(number);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\n";
        let _ = stream
            .write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes())
            .await;
    }
}
