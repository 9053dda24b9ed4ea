//! The command line.

use crate::{admin, bench, client, demo, layout::Layout, log, rekey, site, status, token, up, user, verify};
use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use quorate_custodian::run::Options as CustodianOptions;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// An OpenID Connect provider and OAuth 2.0 authorization server with no master key.
///
/// Start with `quorate up`: it makes a demo tenant under ./quorate-data and runs four custodians, a gateway and the issuer site as
/// processes of their own. Then try `quorate token --client demo-service` and `quorate verify TOKEN`.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, propagate_version = true)]
pub struct Cli {
    /// Form of log lines on standard error: text for people, json for one object a line.
    #[arg(
        long,
        value_enum,
        value_name = "text|json",
        hide_possible_values = true,
        default_value_t = LogForm::Text,
        global = true,
        help_heading = "Log lines"
    )]
    log: LogForm,
    /// Which log lines: error, warn, info, debug or trace; `target=level` pairs work too, as in `warn,quorate_custodian=debug`.
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "warn",
        global = true,
        help_heading = "Log lines"
    )]
    log_level: String,
    #[command(subcommand)]
    command: Command,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the data directory is, and how to print.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Data directory of the tenant, as `quorate up` makes it.
    #[arg(long, value_name = "DIR", default_value = "quorate-data")]
    pub data_dir: PathBuf,
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

impl Common {
    /// The data directory.
    pub fn layout(&self) -> Layout {
        Layout::new(&self.data_dir)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole tenant on this machine: custodians, gateway and issuer site.
    ///
    /// The first start makes a demonstration tenant: keys for every part, an administrator and the client `demo-service`. Later starts
    /// resume it with the same issuer, keys and log. Every part is a process of its own with a log file under <DIR>/logs; one that
    /// ends is started again. Ctrl-C stops them all.
    ///
    /// All parts run on one host, so the custodians are not independent: this shows how Quorate works and protects nobody.
    Up(up::UpArgs),
    /// Get an access token with a client's own key (client_credentials, private_key_jwt).
    ///
    /// Does what any stock client does: reads the discovery document, signs an assertion with the key in <DIR>/clients, sends it to the
    /// token endpoint and prints the token. `quorate client add` registers further clients.
    Token(token::TokenArgs),
    /// Check a token: signature, claims, and that its leaf stands in the certified log.
    ///
    /// Reads only what is public: the issuer's key set, the log's checkpoint and tiles. The checks are, in this order: format, type,
    /// issuer, audience, times, algorithm, signature, log. The issuer says which algorithm it signs with, and never the token. Exits with 1 and names the first check that fails.
    Verify(verify::VerifyArgs),
    /// Show who votes, where everybody stands and how many custodians may still fail.
    ///
    /// Asks the gateway, which has no authority; `quorate verify` and `quorate log` believe nobody. The margin is how many of the voting
    /// custodians may still fail before no token can be issued. A custodian is `voting`, `joining` (it has started and waits to hear from
    /// others) or `amnesic` (its disk was rolled back, and it never votes again).
    Status(status::StatusArgs),
    /// Read the public log.
    ///
    /// Everything comes from the issuer's log policy, the checkpoint and the tiles, and is checked against the log's key before it is
    /// printed.
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Add, list and stop clients; each change is a decision that administrators approve.
    ///
    /// A change takes effect once k administrators have approved it (`quorate proposal approve`); stopping a client takes one of them.
    /// A proposal stays open for a week.
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Invite, list and stop people; each change is a decision that administrators approve.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Read proposals and approve them.
    ///
    /// A proposal is one change of the tenant. It has one normative text, which `show` derives on this machine from the very bytes that
    /// an approval signs.
    #[command(subcommand)]
    Proposal(admin::ProposalCommand),
    /// Move a tenant to new keys, step by step.
    ///
    /// Keys of which somebody may have learned something, as after a ban, are not mended but left: a new tenant is made without whoever
    /// is at fault, under an issuer of its own, and this carries over what the old log decided: clients with their keys and rights,
    /// applications with a new secret, people by a new invitation. It can be run again at any time: what is there already stays, and
    /// every run says what to do next. What is carried over is read from the certified log, never believed of a gateway.
    Rekey(rekey::RekeyArgs),
    /// Run a gateway from its configuration file.
    ///
    /// It runs until SIGTERM or Ctrl-C: then it takes no new work, ends the batch in flight, answers it and exits with 0. It holds no
    /// share of any key, and its store may be lost: it rebuilds from the custodians. A custodian runs with `quorate-custodian run
    /// --config FILE`.
    Gateway(ConfigArgs),
    /// Write or serve the issuer site.
    ///
    /// The issuer site is static: discovery, key set, log policy and a page. Any static host serves it over https.
    #[command(subcommand)]
    Site(site::SiteCommand),
    /// Measure a system of its own under load.
    ///
    /// Starts a tenant in a directory of its own, asks for tokens one by one, then under load, and prints tokens per second, latencies,
    /// CPU and memory of every process, and errors. docs/PERFORMANCE.md has figures to compare with.
    Bench(bench::BenchArgs),
    /// The demonstration's relying party as `up` starts it.
    #[command(name = "demo-of-up", hide = true)]
    Demo(demo::DemoArgs),
    /// One custodian as `up` starts it; elsewhere use the small binary quorate-custodian.
    #[command(name = "custodian-of-up", hide = true)]
    Custodian(ConfigArgs),
}

/// A long-running part from its configuration file.
#[derive(Debug, Args)]
struct ConfigArgs {
    /// Configuration file; docs/OPERATING.md shows one with every key.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// End when standard input closes.
    #[arg(long, hide = true)]
    end_with_stdin: bool,
}

impl Cli {
    /// Whether log lines are JSON objects.
    pub fn writes_json(&self) -> bool {
        self.log == LogForm::Json
    }

    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let filter = tracing_subscriber::EnvFilter::try_new(&self.log_level)
            .with_context(|| format!("--log-level {:?} is no filter", self.log_level))?;
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        match self.log {
            LogForm::Json => lines.json().init(),
            LogForm::Text => lines.init(),
        }
        let log = match self.log {
            LogForm::Json => "json",
            LogForm::Text => "text",
        };
        match self.command {
            Command::Up(args) => wait(many()?, up::run(args, &self.log_level, log)),
            Command::Token(args) => wait(one()?, token::run(args)),
            Command::Verify(args) => wait(one()?, verify::run(args)),
            Command::Status(args) => wait(one()?, status::run(args)),
            Command::Log(command) => wait(one()?, log::run(command)),
            Command::Client(command) => wait(one()?, client::run(command)),
            Command::User(command) => wait(one()?, user::run(command)),
            Command::Proposal(command) => wait(one()?, admin::run_proposal(command)),
            Command::Rekey(args) => wait(one()?, rekey::run(args)),
            Command::Gateway(args) => wait(many()?, gateway(args)),
            Command::Site(command) => wait(one()?, site::run(command)),
            Command::Bench(args) => wait(many()?, bench::run(args)),
            Command::Demo(args) => {
                wait(one()?, demo::run(args))?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Custodian(args) => {
                let options = CustodianOptions {
                    end_with_stdin: args.end_with_stdin,
                };
                wait(one()?, quorate_custodian::run::run(&args.config, options))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

async fn gateway(args: ConfigArgs) -> Result<ExitCode> {
    let config = quorate_gateway::config::Config::load(&args.config)?;
    let metrics = quorate_gateway::run::install_metrics()?;
    let stop = crate::supervise::stop_signal(args.end_with_stdin);
    quorate_gateway::run::run(config, metrics, stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a future to its end. What still reads standard input, which nobody can interrupt, does not keep the process alive after it.
fn wait<T>(runtime: tokio::runtime::Runtime, future: impl Future<Output = T>) -> T {
    let outcome = runtime.block_on(future);
    runtime.shutdown_background();
    outcome
}

fn one() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn many() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Reads an address argument.
pub fn address(text: &str) -> Result<SocketAddr> {
    text.parse()
        .with_context(|| format!("{text:?} is no address such as 127.0.0.1:8410"))
}
