//! Administrators: every change is a proposal that they approve with their own keys. `quorate proposal`.

use crate::{
    cli::Common,
    clock,
    layout::{Layout, TenantFile},
    tenant,
};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use ed25519_dalek::{Signer, SigningKey};
use quorate_gateway::admin::AdminRequest;
use quorate_rules::{
    cbor::{Array, Canonical},
    decision::{Action, Proposal},
    name::Issuer,
    record,
};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// How long a proposal made here stays open: a week.
const OPEN_MS: u64 = 7 * 24 * 3600 * 1000;

/// Who signs.
#[derive(Debug, Clone, Args)]
pub struct Signed {
    #[command(flatten)]
    common: Common,
    /// Administrator's key, PKCS#8 PEM, in a file named after the administrator; admin/admin.pem of a demo where left out.
    #[arg(long, value_name = "FILE")]
    admin_key: Option<PathBuf>,
}

impl Signed {
    /// The data directory.
    pub fn layout(&self) -> Layout {
        self.common.layout()
    }

    /// The named key, if there is one.
    pub const fn admin_key(&self) -> Option<&PathBuf> {
        self.admin_key.as_ref()
    }

    /// Whether to print JSON.
    pub const fn json(&self) -> bool {
        self.common.json
    }
}

/// `quorate proposal`
#[derive(Debug, Subcommand)]
pub enum ProposalCommand {
    /// List open proposals: identifier, state, approvals so far.
    List(Signed),
    /// Show one proposal in its normative text.
    Show(IdArgs),
    /// Approve a proposal; read its text with `show` first, since this signs exactly what it says.
    Approve(IdArgs),
    /// Propose another set of administrators: `--admin NAME=HEXKEY` for each.
    ///
    /// It replaces the set in force; whoever is not named is an administrator no more.
    Admins(AdminsArgs),
}

/// `quorate proposal admins`
#[derive(Debug, Args)]
pub struct AdminsArgs {
    #[command(flatten)]
    signed: Signed,
    /// How many of them decide; more than half.
    #[arg(short, value_name = "K")]
    k: u16,
    /// An administrator: name and Ed25519 public key in hex.
    #[arg(long = "admin", value_name = "NAME=HEXKEY", required = true)]
    admins: Vec<String>,
}

/// `quorate proposal show|approve`
#[derive(Debug, Args)]
pub struct IdArgs {
    #[command(flatten)]
    signed: Signed,
    /// Identifier, as `quorate proposal list` prints it.
    id: String,
}

/// Asks the gateway with an administrator's signature.
pub struct AdminClient {
    http: reqwest::Client,
    tenant: TenantFile,
    key: SigningKey,
    name: String,
}

impl AdminClient {
    /// Reads the key.
    pub fn open(layout: &Layout, admin_key: Option<&PathBuf>) -> Result<Self> {
        let path = admin_key.cloned().unwrap_or_else(|| layout.admin_key());
        let key = tenant::read_admin_key(&path)?;
        // The key file is named after its administrator.
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .context("the key file has no name")?
            .to_owned();
        Ok(Self {
            http: crate::public::http()?,
            tenant: layout.tenant()?,
            key,
            name,
        })
    }

    fn authorization(&self, method: &str, path: &str, body: &[u8]) -> String {
        let time_ms = clock::now_ms();
        let request = AdminRequest::new(method, path, time_ms, body, &self.tenant.issuer);
        let signature = hex::encode(self.key.sign(&request.message()).to_bytes());
        format!("Quorate-Admin {} {time_ms} {signature}", self.name)
    }

    async fn send(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Vec<u8>> {
        let url = format!("{}{path}", self.tenant.gateway);
        let authorization = self.authorization(method, path, &body);
        let request = if method == "GET" {
            self.http.get(&url)
        } else {
            self.http.post(&url).body(body)
        };
        let response = request.header("authorization", authorization).send().await;
        let response = response.with_context(|| format!("{url} does not answer; is the system running?"))?;
        let status = response.status();
        let bytes = response.bytes().await?.to_vec();
        if !status.is_success() {
            let told: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            bail!("{}", told["error"].as_str().unwrap_or(status.as_str()));
        }
        Ok(bytes)
    }

    /// Bytes of a document.
    pub async fn get_bytes(&self, path: &str) -> Result<Vec<u8>> {
        self.send("GET", path, Vec::new()).await
    }

    /// A JSON document.
    pub async fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_slice(&self.get_bytes(path).await?)?)
    }

    /// Proposes an action on the registry as it is now, and approves it with the own key.
    pub async fn propose(&self, action: Action) -> Result<Value> {
        let registry = self.get("/admin/registry").await?;
        let root = registry["registry_root"]
            .as_str()
            .and_then(|root| hex::decode(root).ok()?.try_into().ok());
        let now_ms = clock::now_ms();
        let proposal = Proposal {
            version: 1,
            issuer: Issuer::new(self.tenant.issuer.clone())?,
            log: registry["log"].as_u64().context("the gateway names no log")?,
            registry_root: Array(root.context("the gateway names no registry root")?),
            created_ms: now_ms,
            expires_ms: now_ms + OPEN_MS,
            action,
        };
        self.send("POST", "/admin/proposals", proposal.to_canonical()).await?;
        self.approve(&proposal).await
    }

    /// Approves exactly this proposal.
    pub async fn approve(&self, proposal: &Proposal) -> Result<Value> {
        let digest = proposal.digest();
        let signature = hex::encode(self.key.sign(digest.as_bytes()).to_bytes());
        let body = serde_json::to_vec(&json!({ "admin": self.name, "signature": signature }))?;
        let path = format!("/admin/proposals/{}/approvals", hex::encode(digest.as_bytes()));
        Ok(serde_json::from_slice(&self.send("POST", &path, body).await?)?)
    }

    /// A proposal as the gateway keeps it, read here: what is approved is what was read, whatever the gateway says of it.
    async fn read(&self, id: &str) -> Result<(Proposal, Value)> {
        let shown = self.get(&format!("/admin/proposals/{id}")).await?;
        let bytes = shown["proposal"]
            .as_str()
            .and_then(|text| hex::decode(text).ok())
            .context("the gateway sent no proposal")?;
        let proposal = Proposal::from_canonical(&bytes).context("the proposal cannot be read")?;
        if hex::encode(proposal.digest().as_bytes()) != id {
            bail!("the gateway sent another proposal than {id}");
        }
        Ok((proposal, shown))
    }
}

/// Runs `quorate proposal`.
pub async fn run_proposal(command: ProposalCommand) -> Result<ExitCode> {
    match command {
        ProposalCommand::List(signed) => {
            let told = AdminClient::open(&signed.common.layout(), signed.admin_key.as_ref())?
                .get("/admin/proposals")
                .await?;
            if signed.common.json {
                println!("{told}");
                return Ok(ExitCode::SUCCESS);
            }
            for proposal in told["proposals"].as_array().into_iter().flatten() {
                let approvals = proposal["approvals"].as_array().map_or(0, Vec::len);
                println!(
                    "{}  {}  {approvals} of {}",
                    text(&proposal["id"]),
                    text(&proposal["state"]),
                    proposal["needed"]
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        ProposalCommand::Show(args) => {
            let client = AdminClient::open(&args.signed.common.layout(), args.signed.admin_key.as_ref())?;
            let (proposal, shown) = client.read(&args.id).await?;
            if args.signed.common.json {
                println!("{shown}")
            } else {
                print!("{}", proposal.render())
            }
            Ok(ExitCode::SUCCESS)
        }
        ProposalCommand::Approve(args) => {
            let client = AdminClient::open(&args.signed.common.layout(), args.signed.admin_key.as_ref())?;
            let (proposal, _) = client.read(&args.id).await?;
            print_proposal(&client.approve(&proposal).await?, args.signed.common.json)
        }
        ProposalCommand::Admins(args) => {
            let mut admins = Vec::new();
            for admin in &args.admins {
                let (name, key) = admin.split_once('=').context("--admin takes NAME=HEXKEY")?;
                let key: [u8; 32] = hex::decode(key)?
                    .try_into()
                    .map_err(|_| anyhow::anyhow!("a key has 64 hex digits"))?;
                admins.push(record::Admin {
                    name: name.parse()?,
                    key: Array(key),
                });
            }
            let client = AdminClient::open(&args.signed.common.layout(), args.signed.admin_key.as_ref())?;
            let set = record::AdminSet { k: args.k, admins };
            set.check()
                .context("administrators need distinct names and keys, and k must be more than half of them")?;
            print_proposal(&client.propose(Action::SetAdmins(set)).await?, args.signed.common.json)
        }
    }
}

/// Prints what became of a proposal.
pub fn print_proposal(told: &Value, as_json: bool) -> Result<ExitCode> {
    if as_json {
        println!("{told}");
    } else {
        print!("{}", text(&told["text"]));
        let approvals = told["approvals"].as_array().map_or(0, Vec::len);
        println!(
            "state    {} ({approvals} of {} approvals)",
            text(&told["state"]),
            told["needed"]
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// A string of a JSON document, or nothing.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
