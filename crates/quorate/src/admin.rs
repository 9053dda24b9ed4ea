//! `quorate client` and `quorate proposal`: every change is a proposal that administrators approve with their own keys.

use crate::{
    cli::Common,
    client_key::ClientKey,
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
    jwk::PublicJwk,
    name::{Audience, ClientId, DisplayName, Issuer, Scope},
    record::{self, ClientRecord},
    tag::TagKey,
};
use quorate_store::file;
use rand_core::{OsRng, RngCore};
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

/// `quorate client`
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Propose a client, and approve it with the own key.
    ///
    /// Makes a key in <DIR>/clients/<ID>.jwk unless --jwk names the public key of a client that keeps its own. An identifier that exists
    /// already gets the new record. Prints what to configure in the client.
    Add(AddArgs),
    /// List the clients: identifier, state, scope.
    List(Signed),
    /// Stop a client at once; one administrator suffices.
    Suspend(SuspendArgs),
}

/// `quorate client add`
#[derive(Debug, Args)]
pub struct AddArgs {
    #[command(flatten)]
    signed: Signed,
    /// Client identifier: 1 to 64 of A-Z a-z 0-9 . _ ~ -
    id: String,
    /// Name for people; the identifier where left out.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Scope of its tokens, separated by spaces.
    #[arg(long, value_name = "SCOPE", default_value = "")]
    scope: String,
    /// The one audience of its tokens; the issuer where left out.
    #[arg(long, value_name = "URL")]
    audience: Option<String>,
    /// Life of its tokens in seconds, 30 to 86400.
    #[arg(long, value_name = "SECONDS", default_value_t = ClientRecord::DEFAULT_LIFETIME_S)]
    token_lifetime: u32,
    /// Bind its tokens to its registered key (`cnf`, RFC 7800): a resource server may then ask for a proof of it.
    #[arg(long)]
    sender_constrained: bool,
    /// File of the client's public JWK; a new key is made where left out.
    #[arg(long, value_name = "FILE")]
    jwk: Option<PathBuf>,
    /// Algorithm of a new key: ES256 or EdDSA.
    #[arg(long, value_name = "ALG", default_value = "ES256", conflicts_with = "jwk")]
    key_alg: String,
}

/// `quorate client suspend`
#[derive(Debug, Args)]
pub struct SuspendArgs {
    #[command(flatten)]
    signed: Signed,
    /// Client identifier.
    id: String,
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

/// Runs `quorate client`.
pub async fn run_client(command: ClientCommand) -> Result<ExitCode> {
    match command {
        ClientCommand::Add(args) => add(args).await,
        ClientCommand::List(signed) => list_clients(&signed).await,
        ClientCommand::Suspend(args) => {
            let client = AdminClient::open(&args.signed.common.layout(), args.signed.admin_key.as_ref())?;
            let told = client.propose(Action::SuspendClient(ClientId::new(args.id)?)).await?;
            print_proposal(&told, args.signed.common.json)
        }
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

async fn add(args: AddArgs) -> Result<ExitCode> {
    let layout = args.signed.common.layout();
    let tenant = layout.tenant()?;
    // Before it names a file.
    let id = ClientId::new(args.id.clone())?;
    let place = layout.client_key(id.as_str());
    let key = match &args.jwk {
        Some(path) => PublicJwk::parse(&file::read_bounded(path, 16 * 1024)?.context("there is no such JWK file")?)?,
        None if place.exists() => ClientKey::read(&place)?.public().clone(),
        None => {
            let key = ClientKey::generate(&args.key_alg)?;
            key.write(&place)?;
            key.public().clone()
        }
    };
    let record = client_record(&args, id, key)?;
    let client = AdminClient::open(&layout, args.signed.admin_key.as_ref())?;
    let told = client.propose(Action::PutClient(record)).await?;
    if args.signed.common.json {
        println!("{told}");
        return Ok(ExitCode::SUCCESS);
    }
    print_proposal(&told, false)?;
    println!("issuer          {}", tenant.issuer);
    println!("client_id       {}", args.id);
    println!("authentication  private_key_jwt, audience of the assertion: the issuer string alone");
    if args.jwk.is_none() {
        println!("private key     {}", place.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn client_record(args: &AddArgs, id: ClientId, key: PublicJwk) -> Result<ClientRecord> {
    let mut tag_key = [0; 32];
    OsRng.fill_bytes(&mut tag_key);
    let record = ClientRecord {
        id,
        name: DisplayName::new(args.name.clone().unwrap_or_else(|| args.id.clone()))?,
        keys: vec![record::ClientKey { jwk: key, kid: None }],
        scope: Scope::parse(&args.scope)?,
        audience: args.audience.clone().map(Audience::new).transpose()?,
        token_lifetime_s: args.token_lifetime,
        sender_constrained: args.sender_constrained,
        tag_key: TagKey::new(tag_key),
        suspended: false,
    };
    record.check().context("a token lives 30 to 86400 seconds")?;
    Ok(record)
}

/// The record of a client with one key and defaults otherwise.
pub fn plain_client(id: &str, scope: &str, key: PublicJwk) -> Result<ClientRecord> {
    let mut tag_key = [0; 32];
    OsRng.fill_bytes(&mut tag_key);
    Ok(ClientRecord {
        id: ClientId::new(id)?,
        name: DisplayName::new(id)?,
        keys: vec![record::ClientKey { jwk: key, kid: None }],
        scope: Scope::parse(scope)?,
        audience: None,
        token_lifetime_s: ClientRecord::DEFAULT_LIFETIME_S,
        sender_constrained: false,
        tag_key: TagKey::new(tag_key),
        suspended: false,
    })
}

async fn list_clients(signed: &Signed) -> Result<ExitCode> {
    let registry = AdminClient::open(&signed.common.layout(), signed.admin_key.as_ref())?
        .get("/admin/registry")
        .await?;
    if signed.common.json {
        println!("{}", json!({ "clients": registry["clients"] }));
        return Ok(ExitCode::SUCCESS);
    }
    for client in registry["clients"].as_array().into_iter().flatten() {
        let state = if client["suspended"] == true {
            "suspended"
        } else {
            "active"
        };
        println!(
            "{:<24} {state:<10} {}",
            text(&client["client_id"]),
            text(&client["scope"])
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn print_proposal(told: &Value, as_json: bool) -> Result<ExitCode> {
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

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
