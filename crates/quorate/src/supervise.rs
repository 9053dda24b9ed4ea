//! Starting, watching and stopping the processes of `up`.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::Instant;

/// Longest wait for a process to stop by itself.
const STOP: Duration = Duration::from_secs(8);
/// First and longest pause before a process is started again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(3));
/// A process that ran this long did not fail at its start: the next start waits no longer than the first.
const LIVED: Duration = Duration::from_millis(300);

/// Turns true on SIGTERM, SIGINT, or when standard input closes, if that is asked for.
pub fn stop_signal(end_with_stdin: bool) -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    #[expect(
        clippy::disallowed_methods,
        reason = "signals are listened to until the process ends"
    )]
    tokio::task::spawn(async move {
        let signal = |kind| tokio::signal::unix::signal(kind);
        let kinds = (
            tokio::signal::unix::SignalKind::terminate(),
            tokio::signal::unix::SignalKind::interrupt(),
        );
        let (Ok(mut term), Ok(mut int)) = (signal(kinds.0), signal(kinds.1)) else {
            return;
        };
        let stdin = async {
            if !end_with_stdin {
                return std::future::pending().await;
            }
            let mut stdin = tokio::io::stdin();
            let mut buffer = [0u8; 64];
            while stdin.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        };
        tokio::select! {
            _ = term.recv() => {}
            // A terminal interrupts the whole group; a child with a parent waits for the parent.
            _ = int.recv(), if !end_with_stdin => {}
            () = stdin => {}
        }
        stop.send_replace(true);
        // Whoever still reads must not see the channel close.
        std::future::pending::<()>().await;
    });
    stopped
}

/// What a process is started with.
#[derive(Debug, Clone)]
pub struct Part {
    /// Name, as in `run.json`.
    pub name: String,
    /// Arguments to this executable.
    pub arguments: Vec<String>,
    /// File that its standard error is appended to.
    pub log: PathBuf,
}

/// A part that runs, since when, and how long its next start will wait.
struct Running {
    part: Part,
    child: Child,
    since: Instant,
    pause: Duration,
}

/// The running parts.
pub struct Parts {
    running: BTreeMap<String, Running>,
}

impl Parts {
    /// Starts all parts.
    pub fn start(parts: Vec<Part>) -> Result<Self> {
        let mut running = BTreeMap::new();
        for part in parts {
            let child = spawn(&part)?;
            let name = part.name.clone();
            running.insert(
                name,
                Running {
                    part,
                    child,
                    since: Instant::now(),
                    pause: BACKOFF.0,
                },
            );
        }
        Ok(Self { running })
    }

    /// Process ids by name.
    pub fn ids(&self) -> BTreeMap<String, u32> {
        self.running
            .iter()
            .filter_map(|(name, running)| Some((name.clone(), running.child.id()?)))
            .collect()
    }

    /// Starts again what has ended and whose pause is over; returns the names of what was.
    pub fn restart_ended(&mut self) -> Result<Vec<String>> {
        let mut restarted = Vec::new();
        for (name, running) in &mut self.running {
            let Some(status) = running.child.try_wait()? else {
                continue;
            };
            if running.since.elapsed() > LIVED {
                running.pause = BACKOFF.0;
            } else if running.since.elapsed() < running.pause {
                continue;
            }
            tracing::warn!(part = name, %status, "ended; starting it again");
            running.child = spawn(&running.part)?;
            running.since = Instant::now();
            running.pause = (running.pause * 2).min(BACKOFF.1);
            restarted.push(name.clone());
        }
        Ok(restarted)
    }

    /// Closes every part's standard input, waits for them, and kills what does not end. The gateway goes first: it ends the batch in
    /// flight while the custodians are still there.
    pub async fn stop(mut self) {
        if let Some(mut gateway) = self.running.remove("gateway") {
            drop(gateway.child.stdin.take());
            wait(&mut gateway.child).await;
        }
        for running in self.running.values_mut() {
            drop(running.child.stdin.take());
        }
        for running in self.running.values_mut() {
            wait(&mut running.child).await;
        }
    }
}

async fn wait(child: &mut Child) {
    if tokio::time::timeout(STOP, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

fn spawn(part: &Part) -> Result<Child> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&part.log)?;
    Command::new("/proc/self/exe")
        .arg0(format!("quorate-{}", part.name))
        .args(&part.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", part.name))
}
