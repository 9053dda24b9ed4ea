//! A system of its own for a test: `quorate up` in a temporary directory on free ports; it dies with the test.

use crate::machine_path::exchange;
use quorate::layout::{Layout, RunFile};
use quorate_rules::TokenAlg;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};

/// Path of the executable under test.
pub const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");

/// Whole systems take turns: two of them on two cores would measure each other's hunger.
pub struct Turn;

static BUSY: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

impl Turn {
    pub fn take() -> Self {
        let mut busy = BUSY.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *busy {
            busy = BUSY.1.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        *busy = true;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *BUSY.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
        BUSY.1.notify_one();
    }
}

/// A running system.
pub struct System {
    pub issuer: String,
    pub gateway: String,
    /// How the parts write log lines.
    pub log_options: Vec<&'static str>,
    /// The demonstration's relying party.
    pub demo: String,
    /// Link of the first person's invitation; empty once that person has a passkey.
    pub invitation: String,
    port: u16,
    up: Option<Child>,
    directory: tempfile::TempDir,
    /// None for a second one, beside a system that has it.
    _turn: Option<Turn>,
}

impl System {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A system whose tokens are signed by this algorithm.
    pub fn of(alg: TokenAlg) -> Self {
        Self::start_with(&["--alg", alg.name()])
    }

    /// A place for a system that does not run yet.
    pub fn prepared() -> Self {
        Self::prepared_in(Some(Turn::take()))
    }

    /// Another place for a system that does not run yet, which will run beside this one.
    pub fn beside(&self) -> Self {
        Self::prepared_in(None)
    }

    fn prepared_in(_turn: Option<Turn>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = quorate::bench::free_ports().expect("four free ports");
        Self {
            issuer: String::new(),
            gateway: String::new(),
            log_options: vec!["--log-level", "info"],
            demo: String::new(),
            invitation: String::new(),
            port,
            up: None,
            directory,
            _turn,
        }
    }

    pub fn start_with(options: &[&str]) -> Self {
        let mut system = Self::prepared();
        system.up(options);
        system
    }

    /// Starts `up` on the directory and waits until it is ready.
    pub fn up(&mut self, options: &[&str]) {
        assert!(self.up.is_none(), "it runs already");
        let mut child = self.spawn(options);
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("a line");
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut words = String::new();
            let _ = child.stderr.take().expect("piped").read_to_string(&mut words);
            panic!(
                "up was not ready but said {line:?} and {words:?}; logs: {}",
                self.logs()
            )
        });
        self.issuer = ready["issuer"].as_str().expect("issuer").to_owned();
        self.gateway = ready["gateway"].as_str().expect("gateway").to_owned();
        self.demo = ready["demo"].as_str().expect("demo").to_owned();
        self.invitation = ready["invitation"].as_str().unwrap_or_default().to_owned();
        self.up = Some(child);
    }

    /// Starts `up` without waiting.
    pub fn spawn(&self, options: &[&str]) -> Child {
        Command::new(QUORATE)
            .args(&self.log_options)
            .args(["up", "--json", "--end-with-stdin", "--data-dir"])
            .arg(self.directory.path().join("data"))
            .args(["--port", &self.port.to_string()])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("quorate starts")
    }

    pub fn layout_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn layout(&self) -> Layout {
        Layout::new(&self.layout_dir())
    }

    pub fn run_file(&self) -> RunFile {
        self.layout().running().expect("run.json").expect("a running system")
    }

    /// Runs a command of `quorate` on the directory.
    pub fn quorate(&self, arguments: &[&str]) -> Output {
        Command::new(QUORATE)
            .args(arguments)
            .arg("--data-dir")
            .arg(self.layout_dir())
            .output()
            .expect("quorate runs")
    }

    /// Runs a command that must succeed and returns what it printed.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.quorate(arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {told}; logs: {}", self.logs());
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.succeed(&[arguments, &["--json"]].concat())).expect("JSON")
    }

    pub fn token(&self) -> String {
        self.succeed(&["token", "--client", "demo-service"]).trim().to_owned()
    }

    /// What the gateway counts under this name.
    pub fn counted(&self, name: &str) -> u64 {
        let (_, metrics) = exchange(&self.gateway, "GET", "/metrics", &[], "").expect("metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.map_or(0, |value| value.parse().expect("a number"))
    }

    /// Stops everything and waits for it.
    pub fn down(&mut self) {
        if let Some(mut up) = self.up.take() {
            drop(up.stdin.take());
            up.wait().expect("up ends");
        }
    }

    pub fn logs(&self) -> String {
        let logs = self.layout_dir().join("logs");
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let Ok(files) = std::fs::read_dir(logs) else {
            return String::new();
        };
        files
            .flatten()
            .map(|file| {
                let text = read(&file.path());
                let tail: Vec<&str> = text.lines().rev().take(12).collect();
                format!(
                    "\n== {}\n{}",
                    file.path().display(),
                    tail.into_iter().rev().collect::<Vec<_>>().join("\n")
                )
            })
            .collect()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if let Some(mut up) = self.up.take() {
            drop(up.stdin.take());
            let _ = up.wait();
        }
    }
}
