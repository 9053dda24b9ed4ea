//! Starting, watching and stopping the processes of `up`.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// Longest wait for a process to stop by itself.
const STOP: Duration = Duration::from_secs(8);
/// First and longest pause before a process is started again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(3));

/// Turns true on SIGTERM, SIGINT, or when standard input closes, if that is asked for.
pub fn stop_signal(end_with_stdin: bool) -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
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

/// The running parts.
pub struct Parts {
    running: BTreeMap<String, (Part, Child, Duration)>,
}

impl Parts {
    /// Starts all parts.
    pub fn start(parts: Vec<Part>) -> Result<Self> {
        let mut running = BTreeMap::new();
        for part in parts {
            let child = spawn(&part)?;
            running.insert(part.name.clone(), (part, child, BACKOFF.0));
        }
        Ok(Self { running })
    }

    /// Process ids by name.
    pub fn ids(&self) -> BTreeMap<String, u32> {
        self.running
            .iter()
            .filter_map(|(name, (_, child, _))| Some((name.clone(), child.id()?)))
            .collect()
    }

    /// Starts again what has ended; returns the names of what was.
    pub async fn restart_ended(&mut self) -> Result<Vec<String>> {
        let mut restarted = Vec::new();
        for (name, (part, child, pause)) in &mut self.running {
            match child.try_wait()? {
                None => *pause = (*pause / 2).max(BACKOFF.0),
                Some(status) => {
                    tracing::warn!(part = name, %status, "ended; starting it again");
                    tokio::time::sleep(*pause).await;
                    *pause = (*pause * 4).min(BACKOFF.1);
                    *child = spawn(part)?;
                    restarted.push(name.clone());
                }
            }
        }
        Ok(restarted)
    }

    /// Closes every part's standard input, waits for them, and kills what does not end.
    pub async fn stop(mut self) {
        // The gateway first: it ends the batch in flight while the custodians are still there.
        let mut names: Vec<String> = self.running.keys().cloned().collect();
        names.sort_by_key(|name| name != "gateway");
        for name in names {
            let Some((_, mut child, _)) = self.running.remove(&name) else {
                continue;
            };
            drop(child.stdin.take());
            if name == "gateway" {
                wait(&mut child).await;
            } else {
                self.running.insert(
                    name,
                    (
                        Part {
                            name: String::new(),
                            arguments: Vec::new(),
                            log: PathBuf::new(),
                        },
                        child,
                        STOP,
                    ),
                );
            }
        }
        for (_, mut child, _) in self.running.into_values() {
            wait(&mut child).await;
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
