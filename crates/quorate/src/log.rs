//! `quorate log`: the public log from checkpoint and tiles; with the audit key, also what the leaves commit to.

use crate::{admin::AdminClient, cli::Common, layout::Layout, public};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use quorate_custodian::files;
use quorate_protocol::{
    message::{LogEntry, Opening},
    sealing::{self, SealedBody},
};
use quorate_rules::{
    body::{DecisionBody, TokenBody},
    cbor::Canonical,
    decision::Proposal,
    leaf::{EntryType, Leaf, commitment},
};
use quorate_tlog::{
    checkpoint::Checkpoint,
    hash::{Hash, leaf_hash},
    note::Note,
    policy::Policy,
    proof,
    range::CompactRange,
    tile::{self, Tile, TileReader},
    tlog_proof::TlogProof,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

/// `quorate log`
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// List the newest leaves: index, time in milliseconds, type, class of evidence.
    List(ListArgs),
    /// Show one leaf; with an administrator's key and the audit key, also its body.
    ///
    /// Bodies of tokens are sealed to the tenant's auditors. Where the data directory holds admin/admin.pem and admin/audit.key, as a
    /// demo's does, the body is fetched, opened and compared with what the leaf commits to.
    Show(IndexArgs),
    /// Print a self-contained proof of one leaf (c2sp.org/tlog-proof@v1).
    ///
    /// It holds the index, the path to the root and the signed checkpoint: whoever has the issuer's log policy checks it without asking
    /// anybody.
    Proof(IndexArgs),
    /// Derive every root again from the entries tiles and compare with hash tiles and checkpoint.
    ///
    /// Exits with 1 and says where, if anything does not fit.
    Fsck(FsckArgs),
}

/// `quorate log list`
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    common: Common,
    /// How many, newest first.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: u64,
}

/// `quorate log show|proof`
#[derive(Debug, Args)]
pub struct IndexArgs {
    #[command(flatten)]
    common: Common,
    /// Index of the leaf, from 0; the claim `tlx` of a token is <log>/<index>.
    index: u64,
}

/// `quorate log fsck`
#[derive(Debug, Args)]
pub struct FsckArgs {
    #[command(flatten)]
    common: Common,
}

/// How long to wait for a leaf to be published: publication runs up to a second behind.
const PUBLICATION: Duration = Duration::from_secs(5);

/// The public log of an issuer, read through its own policy.
pub struct PublicLog {
    http: reqwest::Client,
    policy: Policy,
    origin: String,
    url: String,
}

/// A leaf that was proven to stand in a signed checkpoint.
pub struct ProvenLeaf {
    /// The leaf.
    pub leaf: Leaf,
    /// Size of the checkpoint.
    pub size: u64,
    /// What proves it to anybody who has the policy.
    pub proof: TlogProof,
}

impl PublicLog {
    /// Reads `<issuer>/.well-known/quorate/tlog-policy`: one log with its key and address.
    pub async fn open(issuer: &str) -> Result<Self> {
        let http = public::http()?;
        let policy = public::need(&http, &format!("{issuer}/.well-known/quorate/tlog-policy")).await?;
        let policy = std::str::from_utf8(&policy).context("the log policy is not UTF-8")?;
        let policy = Policy::parse(policy).context("the log policy")?;
        let [log] = policy.logs() else {
            bail!(
                "the log policy names {} logs; exactly one was expected",
                policy.logs().len()
            )
        };
        let url = log
            .url
            .as_ref()
            .context("the log policy gives no address for the log")?;
        let (origin, url) = (log.key.name().to_owned(), url.trim_end_matches('/').to_owned());
        Ok(Self {
            http,
            policy,
            origin,
            url,
        })
    }

    /// Origin of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The newest checkpoint, which satisfies the policy.
    pub async fn checkpoint(&self) -> Result<(Checkpoint, Note)> {
        let bytes = public::need(&self.http, &format!("{}/checkpoint", self.url)).await?;
        let note = Note::parse(&bytes)?;
        let checkpoint = self.policy.check(&note).context("the checkpoint")?;
        Ok((checkpoint, note))
    }

    /// The newest checkpoint that covers an index, waiting a little for its publication.
    async fn checkpoint_over(&self, index: u64) -> Result<(Checkpoint, Note)> {
        let deadline = tokio::time::Instant::now() + PUBLICATION;
        loop {
            let (checkpoint, note) = self.checkpoint().await?;
            if checkpoint.size > index {
                return Ok((checkpoint, note));
            }
            if tokio::time::Instant::now() > deadline {
                bail!(
                    "the checkpoint of size {} does not cover index {index}",
                    checkpoint.size
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn tile(&self, tile: &Tile) -> Result<Vec<u8>> {
        let url = format!("{}/{}", self.url, tile.path());
        match public::get(&self.http, &url).await? {
            Some(bytes) => Ok(bytes),
            None => bail!("{url} is missing"),
        }
    }

    /// Leaves of one entries tile of a tree of `size`.
    async fn leaves(&self, index: u64, size: u64) -> Result<Vec<Vec<u8>>> {
        let width = size.saturating_sub(index * tile::WIDTH).min(tile::WIDTH);
        let tile = Tile {
            level: None,
            index,
            width: u16::try_from(width)?,
        };
        Ok(tile::decode_bundle(&self.tile(&tile).await?, tile.width)?)
    }

    /// One leaf, proven in the newest checkpoint.
    pub async fn leaf(&self, index: u64) -> Result<ProvenLeaf> {
        let (checkpoint, note) = self.checkpoint_over(index).await?;
        let size = checkpoint.size;
        let leaves = self.leaves(index / tile::WIDTH, size).await?;
        let bytes = leaves
            .get(usize::try_from(index % tile::WIDTH)?)
            .context("the entries tile is too short")?;
        let path = self.inclusion(index, size).await?;
        let proof = TlogProof::new(index, path, note)?;
        proof
            .verify(bytes, &self.policy)
            .context("the leaf is not in the checkpoint")?;
        let leaf = Leaf::decode(bytes)?;
        Ok(ProvenLeaf { leaf, size, proof })
    }

    /// Inclusion proof from hash tiles: first learns which tiles it needs, then fetches them, then builds it.
    async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>> {
        let mut tiles: BTreeMap<Tile, Vec<u8>> = BTreeMap::new();
        loop {
            let missing = std::cell::Cell::new(None);
            let reader = TileReader::new(size, |tile: &Tile| {
                tiles.get(tile).cloned().ok_or_else(|| missing.set(Some(*tile)))
            });
            match proof::inclusion(&reader, index, size) {
                Ok(Some(proof)) => return Ok(proof),
                Ok(None) => bail!("index {index} is not below {size}"),
                Err(error) => {
                    let Some(tile) = missing.get() else {
                        bail!("the tiles do not give a proof: {error:?}")
                    };
                    let bytes = self.tile(&tile).await?;
                    tiles.insert(tile, bytes);
                }
            }
        }
    }
}

/// Runs the command.
pub async fn run(command: LogCommand) -> Result<ExitCode> {
    match command {
        LogCommand::List(args) => list(args).await,
        LogCommand::Show(args) => show(args).await,
        LogCommand::Proof(args) => prove(args).await,
        LogCommand::Fsck(args) => fsck(args).await,
    }
}

async fn list(args: ListArgs) -> Result<ExitCode> {
    let log = PublicLog::open(&args.common.layout().tenant()?.issuer).await?;
    let (checkpoint, _) = log.checkpoint().await?;
    let size = checkpoint.size;
    let first = size.saturating_sub(args.limit);
    let mut rows = Vec::new();
    let mut at = first;
    while at < size {
        let leaves = log.leaves(at / tile::WIDTH, size).await?;
        for bytes in leaves.iter().skip(usize::try_from(at % tile::WIDTH)?) {
            rows.push((at, Leaf::decode(bytes)?));
            at += 1;
        }
    }
    rows.reverse();
    if args.common.json {
        let entries: Vec<_> = rows.iter().map(|(index, leaf)| described(*index, leaf)).collect();
        println!(
            "{}",
            json!({ "origin": log.origin(), "size": size, "root": checkpoint.root.to_base64(), "entries": entries })
        );
    } else {
        println!("{} size {size} root {}", log.origin(), checkpoint.root.to_base64());
        for (index, leaf) in rows {
            println!(
                "{index:>10}  {}  {:<9} {}",
                leaf.time_ms,
                leaf.entry_type.name(),
                leaf.class.acr()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn described(index: u64, leaf: &Leaf) -> serde_json::Value {
    json!({
        "index": index,
        "type": leaf.entry_type.name(),
        "time_ms": leaf.time_ms,
        "class": leaf.class.acr(),
        "registry_root": leaf.registry_root.to_base64(),
        "token_hash": leaf.token_hash.to_base64(),
        "commit": leaf.commit.to_base64(),
        "subject_tag": hex::encode(leaf.subject_tag.0),
        "client_tag": hex::encode(leaf.client_tag.0),
    })
}

async fn show(args: IndexArgs) -> Result<ExitCode> {
    let layout = args.common.layout();
    let tenant = layout.tenant()?;
    let proven = PublicLog::open(&tenant.issuer).await?.leaf(args.index).await?;
    let mut shown = described(args.index, &proven.leaf);
    if layout.admin_key().exists() {
        let admin = AdminClient::open(&layout, None)?;
        let opening = opened(&admin, &layout, args.index, &proven.leaf).await?;
        shown["body"] = body(proven.leaf.entry_type, &opening)?;
    }
    if args.common.json {
        println!("{shown}");
    } else {
        println!("{}", serde_json::to_string_pretty(&shown)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// What a leaf commits to, as the gateway keeps it.
async fn opened(admin: &AdminClient, layout: &Layout, index: u64, leaf: &Leaf) -> Result<Opening> {
    let bytes = admin.get_bytes(&format!("/admin/entries/{index}")).await?;
    let entry = LogEntry::from_canonical(&bytes).context("the gateway's entry cannot be read")?;
    let opening = open(&layout.audit_key(), index, leaf, &entry)?;
    if commitment(&opening.salt.0, &opening.body) != leaf.commit {
        bail!("the body that the gateway keeps is not the one that the leaf commits to");
    }
    Ok(opening)
}

/// Every decision of the log, in its order. Neither site nor gateway can leave one out or change one: all leaves give the root that the
/// checkpoint signs, which has at least `size` of them, and each body is what its leaf commits to.
pub async fn decisions(layout: &Layout, admin: &AdminClient, size: u64) -> Result<Vec<Proposal>> {
    let log = PublicLog::open(&layout.tenant()?.issuer).await?;
    let (checkpoint, _) = log.checkpoint_over(size.saturating_sub(1)).await?;
    let mut range = CompactRange::default();
    let mut found = Vec::new();
    while range.size() < checkpoint.size {
        for bytes in log.leaves(range.size() / tile::WIDTH, checkpoint.size).await? {
            let leaf = Leaf::decode(&bytes)?;
            if leaf.entry_type == EntryType::Decision {
                found.push((range.size(), leaf));
            }
            range.append(leaf_hash(&bytes));
        }
    }
    if range.root() != checkpoint.root {
        bail!("the leaves do not give the root of the checkpoint; `quorate log fsck` says more");
    }
    let mut decisions = Vec::new();
    for (index, leaf) in found {
        let decision = DecisionBody::from_canonical(&opened(admin, layout, index, &leaf).await?.body)?;
        decisions.push(Proposal::from_canonical(&decision.proposal)?);
    }
    Ok(decisions)
}

fn open(audit_key: &std::path::Path, index: u64, leaf: &Leaf, entry: &LogEntry) -> Result<Opening> {
    if let Some(opening) = &entry.opening {
        return Ok(opening.clone());
    }
    let sealed = entry.sealed.as_ref().context("the body was erased")?;
    let sealed = SealedBody::from_canonical(sealed).context("the sealed body cannot be read")?;
    let key = files::read_key(audit_key)?;
    Ok(sealing::open(&key, index, &leaf.hash(), &sealed)?)
}

fn body(entry_type: EntryType, opening: &Opening) -> Result<serde_json::Value> {
    Ok(match entry_type {
        EntryType::Token => {
            let body = TokenBody::from_canonical(&opening.body)?;
            json!({
                "claims": serde_json::from_slice::<serde_json::Value>(&body.claims)?,
                "evidence_digest": hex::encode(body.evidence_digest.0),
                "grant": hex::encode(&body.grant.0),
            })
        }
        EntryType::Decision => {
            let decision = DecisionBody::from_canonical(&opening.body)?;
            let proposal = Proposal::from_canonical(&decision.proposal)?;
            let admins: Vec<_> = decision
                .approvals
                .iter()
                .map(|approval| approval.admin.to_string())
                .collect();
            json!({ "text": proposal.render(), "approvals": admins })
        }
        _ => json!({ "cbor": hex::encode(&opening.body.0) }),
    })
}

async fn prove(args: IndexArgs) -> Result<ExitCode> {
    let log = PublicLog::open(&args.common.layout().tenant()?.issuer).await?;
    let proven = log.leaf(args.index).await?;
    let text = proven.proof.encode();
    if args.common.json {
        println!(
            "{}",
            json!({ "leaf": hex::encode(proven.leaf.encode()), "proof": text })
        );
    } else {
        print!("{text}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn fsck(args: FsckArgs) -> Result<ExitCode> {
    let log = PublicLog::open(&args.common.layout().tenant()?.issuer).await?;
    let (checkpoint, _) = log.checkpoint().await?;
    let size = checkpoint.size;
    let mut range = CompactRange::new();
    let mut nodes = BTreeMap::new();
    let mut last_ms = 0;
    for index in 0..size.div_ceil(tile::WIDTH) {
        for bytes in log.leaves(index, size).await? {
            let at = range.size();
            let leaf = Leaf::decode(&bytes).with_context(|| format!("leaf {at}"))?;
            anyhow::ensure!(leaf.time_ms >= last_ms, "time runs backwards at leaf {at}");
            last_ms = leaf.time_ms;
            range.append_with(leaf_hash(&bytes), |node| {
                if node.level.is_multiple_of(8) {
                    nodes.insert((node.level / 8, node.index), node.hash);
                }
            });
        }
    }
    anyhow::ensure!(
        range.root() == checkpoint.root,
        "the entries lead to another root than the checkpoint's"
    );
    let mut checked = 0u64;
    for tile in tile::tiles_between(0, size)
        .into_iter()
        .filter(|tile| tile.level.is_some())
    {
        let bytes = log.tile(&tile).await?;
        let expected: Vec<u8> = (0..u64::from(tile.width))
            .filter_map(|offset| nodes.get(&(tile.level?, tile.first_entry() + offset)))
            .flat_map(|hash| hash.as_bytes().to_vec())
            .collect();
        anyhow::ensure!(
            bytes == expected,
            "{} does not hold the hashes of its leaves",
            tile.path()
        );
        checked += 1;
    }
    if args.common.json {
        println!(
            "{}",
            json!({ "clean": true, "size": size, "root": checkpoint.root.to_base64(), "hash_tiles": checked })
        );
    } else {
        println!("clean: {size} leaves lead to the signed root, {checked} hash tiles agree");
    }
    Ok(ExitCode::SUCCESS)
}
