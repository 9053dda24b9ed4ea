//! The data directory: which file is where.

use anyhow::{Context, Result, bail};
use quorate_store::file;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A data directory.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

/// `tenant.toml`: what the tenant of this directory is. Written once, when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantFile {
    /// Issuer string; never changes.
    pub issuer: String,
    /// Public address of the gateway.
    pub gateway: String,
    /// Base port: site; gateway, custodian link and demo follow.
    pub port: u16,
    /// Number of custodians.
    pub custodians: u16,
    /// Threshold.
    pub threshold: u16,
    /// Malicious bound.
    pub faulty: u16,
    /// Whether it is a demonstration.
    pub demo: bool,
}

impl TenantFile {
    /// Port of the demonstration's relying party.
    pub const fn demo_port(&self) -> u16 {
        self.port.saturating_add(3)
    }

    /// Its address.
    pub fn demo_url(&self) -> String {
        format!("http://localhost:{}", self.demo_port())
    }
}

/// `run.json`: the processes of a running system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFile {
    /// Process id of `quorate up`.
    pub up: u32,
    /// Process ids by part: `gateway`, `site`, `custodian-1`, …
    pub processes: std::collections::BTreeMap<String, u32>,
}

impl Layout {
    /// The directory at `root`; nothing is read or made.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `tenant.toml`
    pub fn tenant_file(&self) -> PathBuf {
        self.root.join("tenant.toml")
    }

    /// `genesis.cbor`
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.cbor")
    }

    /// `run.json`
    pub fn run_file(&self) -> PathBuf {
        self.root.join("run.json")
    }

    /// `admin/admin.pem`, in a demo only.
    pub fn admin_key(&self) -> PathBuf {
        self.root.join("admin/admin.pem")
    }

    /// `admin/audit.key`, in a demo only: opens the sealed bodies.
    pub fn audit_key(&self) -> PathBuf {
        self.root.join("admin/audit.key")
    }

    /// `clients/<id>.jwk`
    pub fn client_key(&self, id: &str) -> PathBuf {
        self.root.join("clients").join(format!("{id}.jwk"))
    }

    /// `clients/<id>.secret`, in a demo only: the relying party that `up` runs.
    pub fn client_secret(&self, id: &str) -> PathBuf {
        self.root.join("clients").join(format!("{id}.secret"))
    }

    /// `admin/invitation`, in a demo only: the link of the first user, until it is used.
    pub fn invitation(&self) -> PathBuf {
        self.root.join("admin/invitation")
    }

    /// `gateway/`
    pub fn gateway(&self) -> PathBuf {
        self.root.join("gateway")
    }

    /// `custodian-<number>/`
    pub fn custodian(&self, number: u16) -> PathBuf {
        self.root.join(format!("custodian-{number}"))
    }

    /// `site/`
    pub fn site(&self) -> PathBuf {
        self.root.join("site")
    }

    /// Reads `tenant.toml`.
    pub fn tenant(&self) -> Result<TenantFile> {
        let path = self.tenant_file();
        let text = file::read_bounded(&path, 64 * 1024)?;
        let Some(text) = text else {
            bail!(
                "there is no tenant under {}; run `quorate up`, or name another directory with --data-dir",
                self.root.display()
            );
        };
        let text = String::from_utf8(text).context("tenant.toml is not UTF-8")?;
        toml::from_str(&text).with_context(|| format!("{} cannot be read", path.display()))
    }

    /// Reads `run.json`, if a system runs.
    pub fn running(&self) -> Result<Option<RunFile>> {
        match file::read_bounded(&self.run_file(), 64 * 1024)? {
            None => Ok(None),
            Some(bytes) => Ok(Some(serde_json::from_slice(&bytes).context("run.json cannot be read")?)),
        }
    }
}
