//! A custodian's configuration file.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// `custodian.toml`. Paths are relative to the file. Unknown keys are refused.
///
/// ```toml
/// number = 1                       # which custodian of the genesis this is, from 1
/// genesis = "genesis.cbor"         # the tenant's founding document; whoever pins it pins the committee
/// identity_key = "identity.key"    # Ed25519 seed, 64 hex digits: link, votes, statements
/// envelope_key = "envelope.key"    # X25519 secret, 64 hex digits: DKG deals from other custodians
/// seal_key = "seal.key"            # 64 hex digits: seals the key share's file; best kept elsewhere (systemd credential)
/// store = "custodian.redb"         # entries, view, votes, lock
/// shares = "shares"                # directory of the sealed key shares
/// metrics = "127.0.0.1:9401"       # optional: own Prometheus port, loopback only
///
/// [[gateway]]
/// name = "gateway-1"               # as enrolled in genesis or by decision
/// address = "127.0.0.1:8412"       # where to dial
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number in genesis, from 1.
    pub number: u16,
    /// File of canonical genesis bytes.
    pub genesis: PathBuf,
    /// File of the identity key.
    pub identity_key: PathBuf,
    /// File of the envelope key.
    pub envelope_key: PathBuf,
    /// File of the key that seals the shares.
    pub seal_key: PathBuf,
    /// Database file.
    pub store: PathBuf,
    /// Directory of sealed shares.
    pub shares: PathBuf,
    /// Loopback address of an own metrics port.
    pub metrics: Option<SocketAddr>,
    /// Gateways to dial; at least one.
    pub gateway: Vec<GatewayAddress>,
}

/// Where a gateway listens for custodians.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayAddress {
    /// Its enrolled name.
    pub name: String,
    /// `host:port` of its link.
    pub address: String,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML of this form.
    #[error("{path} is not a custodian configuration")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("{path}: {what}")]
    Value {
        /// The file.
        path: PathBuf,
        /// What to change.
        what: &'static str,
    },
}

/// Largest configuration file, bytes.
const MAX_FILE: u64 = 64 * 1024;

impl Config {
    /// Reads the file and makes its paths absolute.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = || -> std::io::Result<String> {
            if std::fs::metadata(path)?.len() > MAX_FILE {
                return Err(std::io::Error::other("larger than 64 KiB"));
            }
            std::fs::read_to_string(path)
        };
        let text = read().map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads the text of the file at `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let value = |what| ConfigError::Value {
            path: path.to_owned(),
            what,
        };
        if config.gateway.is_empty() || config.gateway.len() > 16 {
            return Err(value("name 1 to 16 gateways to dial in [[gateway]]"));
        }
        if config.metrics.is_some_and(|address| !address.ip().is_loopback()) {
            return Err(value(
                "metrics must be a loopback address; the gateway shows these figures too",
            ));
        }
        let base = path.parent().unwrap_or(Path::new("."));
        for file in [
            &mut config.genesis,
            &mut config.identity_key,
            &mut config.envelope_key,
            &mut config.seal_key,
            &mut config.store,
            &mut config.shares,
        ] {
            *file = base.join(&*file);
        }
        Ok(config)
    }
}
