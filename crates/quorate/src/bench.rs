//! `quorate bench`: a system of its own under load, everything on this machine, everything durable.

mod client;
mod work;

use crate::{
    layout::{Layout, RunFile},
    public,
};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use client::{Client, Tally};
use quorate_rules::TokenAlg;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::Instant;
use work::Work;

/// Requests of the idle phase, one after another.
const IDLE: usize = 100;
/// Load before measuring begins.
const WARM_UP: Duration = Duration::from_secs(2);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Grant {
    /// A fresh private_key_jwt assertion for every token.
    #[value(name = "client_credentials")]
    ClientCredentials,
    /// A tap of a software passkey and the redemption of its code with a client secret, for an access token and an ID token.
    #[value(name = "code")]
    Code,
}

impl Grant {
    const fn name(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::Code => "code",
        }
    }

    /// Tokens of one operation.
    const fn tokens(self) -> f64 {
        match self {
            Self::ClientCredentials => 1.0,
            Self::Code => 2.0,
        }
    }
}

/// Arguments.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Grant type.
    #[arg(long, value_enum, default_value = "client_credentials")]
    grant: Grant,
    /// Seconds of measured load.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,
    /// Requests in flight.
    #[arg(long, value_name = "COUNT", default_value_t = 64)]
    concurrency: usize,
    /// Delay every custodian link by half of this each way: the round-trip time, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    link_delay: u64,
    /// Stop the custodian of this number (SIGSTOP) once the load runs.
    #[arg(long, value_name = "NUMBER")]
    hang: Option<u16>,
    /// Custodians, n.
    #[arg(long, value_name = "N", default_value_t = 4)]
    custodians: u16,
    /// Custodians that it takes to sign, t; 2t > n + f.
    #[arg(long, value_name = "T", default_value_t = 3)]
    threshold: u16,
    /// Custodians that may be malicious, f.
    #[arg(long, value_name = "F", default_value_t = 1)]
    faulty: u16,
    /// Algorithm of the tokens.
    #[arg(long, value_name = "EdDSA|ES256", default_value_t = TokenAlg::EdDsa)]
    alg: TokenAlg,
    /// Algorithm of the client's key: ES256 or EdDSA.
    #[arg(long, value_name = "ALG", default_value = "ES256")]
    key_alg: String,
    /// Print one JSON document instead of text.
    #[arg(long)]
    json: bool,
    /// Directory for the system under test. It must not be there yet: it is made, and removed afterwards.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// A running system and what it has used so far.
struct System {
    child: tokio::process::Child,
    layout: Layout,
    run: RunFile,
    gateway: String,
    issuer: String,
    invitation: Option<String>,
}

/// Runs the command.
pub async fn run(args: BenchArgs) -> Result<ExitCode> {
    let dir = args
        .dir
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("quorate-bench-{}", std::process::id())));
    // What is removed afterwards is only what was made here.
    std::fs::create_dir(&dir).with_context(|| {
        format!(
            "cannot make {}, which bench removes afterwards and which therefore must not be there yet",
            dir.display()
        )
    })?;
    let outcome = measure(&args, &dir).await;
    let _ = std::fs::remove_dir_all(&dir);
    let report = outcome?;
    if args.json {
        println!("{report}");
    } else {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &BenchArgs, dir: &std::path::Path) -> Result<serde_json::Value> {
    let mut system = System::start(args, dir).await?;
    let work = match args.grant {
        Grant::ClientCredentials => Work::machine(&system, &args.key_alg).await?,
        Grant::Code => Work::sign_in(&system).await?,
    };
    let client = Arc::new(Client::new(&system, work));
    let idle = client.one_by_one(IDLE).await?;
    let warm = client.load(args.concurrency, WARM_UP).await;
    if warm.latencies_us.is_empty() {
        bail!("no token came back: {:?}", warm.errors);
    }
    if let Some(number) = args.hang {
        let name = format!("custodian-{number}");
        let id = *system
            .run
            .processes
            .get(&name)
            .with_context(|| format!("there is no {name}"))?;
        signal(id, rustix::process::Signal::STOP)?;
    }
    let before = system.figures().await?;
    let began = Instant::now();
    let tally = client.load(args.concurrency, Duration::from_secs(args.seconds)).await;
    let seconds = began.elapsed().as_secs_f64();
    let after = system.figures().await?;
    let report = report(args, &idle, &tally, seconds, (&before, &after));
    system.stop().await;
    Ok(report)
}

fn report(
    args: &BenchArgs,
    idle: &Tally,
    tally: &Tally,
    seconds: f64,
    (before, after): (&Figures, &Figures),
) -> serde_json::Value {
    let mut sorted = tally.latencies_us.clone();
    sorted.sort_unstable();
    let mut idle_sorted = idle.latencies_us.clone();
    idle_sorted.sort_unstable();
    let operations = sorted.len() as f64;
    let tokens = operations * args.grant.tokens();
    let cpu: BTreeMap<_, _> = after
        .cpu_ms
        .iter()
        .map(|(name, ms)| (name, ms - before.cpu_ms.get(name).copied().unwrap_or(0.0)))
        .collect();
    let total: f64 = cpu.values().sum();
    let per_token: BTreeMap<_, _> = cpu.iter().map(|(name, ms)| (name, round(ms / tokens))).collect();
    let link_bytes: BTreeMap<_, _> = after
        .link_bytes
        .iter()
        .map(|(name, bytes)| {
            let more = bytes - before.link_bytes.get(name).copied().unwrap_or(0.0);
            (name.clone(), (more / tokens).round())
        })
        .filter(|(_, bytes)| *bytes > 0.0)
        .collect();
    let mut errors = idle.errors.clone();
    for (kind, count) in &tally.errors {
        *errors.entry(kind.clone()).or_default() += count;
    }
    let servers: f64 = cpu
        .iter()
        .filter(|(name, _)| **name != "load-generator")
        .map(|(_, ms)| ms)
        .sum();
    let mut report = json!({
        "grant": args.grant.name(),
        "token_alg": args.alg,
        "client_key": args.key_alg,
        "custodians": args.custodians,
        "threshold": args.threshold,
        "concurrency": args.concurrency,
        "seconds": round(seconds),
        "link_delay_ms": args.link_delay,
        "hang": args.hang,
        "tokens_per_second": round(tokens / seconds),
        "p50_ms": percentile(&sorted, 50.0),
        "p95_ms": percentile(&sorted, 95.0),
        "p99_ms": percentile(&sorted, 99.0),
        "idle_p50_ms": percentile(&idle_sorted, 50.0),
        "cpu_ms_per_token": round(total / tokens),
        "cpu_ms_per_token_servers": round(servers / tokens),
        "cpu_ms_per_token_by_process": per_token,
        "link_bytes_per_token": link_bytes.values().sum::<f64>(),
        "link_bytes_per_token_by_message": link_bytes,
        "rss_mib": after.rss_mib,
        "batches": after.batches - before.batches,
        "fsyncs": after.fsyncs - before.fsyncs,
        "errors": errors.values().sum::<u64>(),
        "errors_by_kind": errors,
    });
    if args.grant == Grant::Code {
        report["logins_per_second"] = round(operations / seconds).into();
        report["cpu_ms_per_login"] = round(total / operations).into();
    }
    report
}

fn percentile(sorted: &[u64], percent: f64) -> f64 {
    if sorted.is_empty() {
        return 0.0;
    }
    let rank = (percent / 100.0 * (sorted.len() - 1) as f64).round() as usize;
    round(sorted[rank.min(sorted.len() - 1)] as f64 / 1000.0)
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// What all processes have used.
#[derive(Debug)]
struct Figures {
    cpu_ms: BTreeMap<String, f64>,
    rss_mib: BTreeMap<String, f64>,
    /// Bytes on all links, by message.
    link_bytes: BTreeMap<String, f64>,
    batches: u64,
    fsyncs: u64,
}

impl System {
    async fn start(args: &BenchArgs, dir: &std::path::Path) -> Result<Self> {
        let port = free_ports()?;
        let mut command = tokio::process::Command::new("/proc/self/exe");
        command
            .args(["up", "--json", "--end-with-stdin", "--data-dir"])
            .arg(dir)
            .args([
                "--port",
                &port.to_string(),
                "--custodians",
                &args.custodians.to_string(),
            ])
            .args([
                "--threshold",
                &args.threshold.to_string(),
                "--faulty",
                &args.faulty.to_string(),
            ])
            .args(["--alg", args.alg.name()])
            .args(["--link-delay", &(args.link_delay / 2).to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("cannot start the system")?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let line = lines
            .next_line()
            .await?
            .context("the system ended before it was ready")?;
        let ready: serde_json::Value = serde_json::from_str(&line)?;
        let layout = Layout::new(dir);
        let run = layout.running()?.context("run.json is missing")?;
        let text = |name: &str| {
            ready[name]
                .as_str()
                .map(str::to_owned)
                .context("the ready line is incomplete")
        };
        Ok(Self {
            child,
            layout,
            run,
            gateway: text("gateway")?,
            issuer: text("issuer")?,
            invitation: text("invitation").ok(),
        })
    }

    async fn figures(&mut self) -> Result<Figures> {
        self.run = self.layout.running()?.context("run.json is missing")?;
        let mut processes = self.run.processes.clone();
        processes.insert("up".to_owned(), self.run.up);
        processes.insert("load-generator".to_owned(), std::process::id());
        let (mut cpu_ms, mut rss_mib) = (BTreeMap::new(), BTreeMap::new());
        for (name, id) in processes {
            cpu_ms.insert(name.clone(), cpu_of(id)?);
            rss_mib.insert(name, rss_of(id)?);
        }
        let metrics = public::need(&public::http()?, &format!("{}/metrics", self.gateway)).await?;
        let metrics = String::from_utf8(metrics)?;
        let sum = |name: &str| -> u64 {
            let lines = metrics
                .lines()
                .filter(|line| line.split([' ', '{']).next() == Some(name));
            lines
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum::<f64>() as u64
        };
        let fsyncs = sum("quorate_gateway_fsyncs") + sum("quorate_custodian_fsyncs_total");
        let link_bytes = metrics
            .lines()
            .filter_map(|line| {
                line.strip_prefix("quorate_link_bytes_total{message=\"")?
                    .split_once("\"} ")
            })
            .filter_map(|(name, bytes)| Some((name.to_owned(), bytes.parse::<f64>().ok()?)))
            .collect();
        Ok(Figures {
            link_bytes,
            cpu_ms,
            rss_mib,
            batches: sum("quorate_batches_total"),
            fsyncs,
        })
    }

    async fn stop(mut self) {
        for id in self.run.processes.values() {
            let _ = signal(*id, rustix::process::Signal::CONT);
        }
        drop(self.child.stdin.take());
        let _ = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
    }
}

fn signal(id: u32, signal: rustix::process::Signal) -> Result<()> {
    let id = rustix::process::Pid::from_raw(i32::try_from(id)?).context("no such process")?;
    Ok(rustix::process::kill_process(id, signal)?)
}

/// User and system time of a process, milliseconds (`/proc/<pid>/stat`, fields 14 and 15).
fn cpu_of(id: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).with_context(|| format!("process {id} is gone"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<f64>().ok())
            .context("unexpected /proc/<pid>/stat")
    };
    Ok((ticks(11)? + ticks(12)?) * 1000.0 / rustix::param::clock_ticks_per_second() as f64)
}

fn rss_of(id: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("unexpected /proc/<pid>/status")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(round(kib / 1024.0))
}

/// A base port with three free ones behind it.
pub fn free_ports() -> Result<u16> {
    for _ in 0..64 {
        let first = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let all_free = (0..4u16).all(|offset| {
            first
                .checked_add(offset)
                .is_some_and(|port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok())
        });
        if all_free {
            return Ok(first);
        }
    }
    bail!("found no four free ports in a row");
}
