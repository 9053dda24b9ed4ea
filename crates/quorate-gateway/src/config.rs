//! A gateway's configuration file.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// `gateway.toml`. Paths are relative to the file. Unknown keys are refused.
///
/// ```toml
/// name = "gateway-1"               # as enrolled in genesis or by decision
/// genesis = "genesis.cbor"         # the tenant's founding document
/// link_key = "link.key"            # Ed25519 seed, 64 hex digits: authenticates this gateway to custodians
/// store = "gateway.redb"           # disposable: a fresh gateway rebuilds it from the custodians
/// public = "public"                # directory of the published log: checkpoint and tiles
/// listen = "127.0.0.1:8411"        # token endpoint, log, status
/// url = "https://gw.example.org"   # optional: these endpoints as clients know them; http:// and the listen address where left out
/// link = "127.0.0.1:8412"          # custodians dial this
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Enrolled name.
    pub name: String,
    /// File of canonical genesis bytes.
    pub genesis: PathBuf,
    /// File of the link key.
    pub link_key: PathBuf,
    /// Database file.
    pub store: PathBuf,
    /// Directory of the published log.
    pub public: PathBuf,
    /// Address of the HTTP endpoints.
    pub listen: SocketAddr,
    /// Public URL of the HTTP endpoints, without a closing slash: what DPoP proofs name (RFC 9449 §4.2).
    pub url: Option<String>,
    /// Address that custodians dial.
    pub link: SocketAddr,
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
    #[error("{path} is not a gateway configuration")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
}

impl Config {
    /// Public URL of an endpoint.
    pub fn endpoint(&self, path: &str) -> String {
        match &self.url {
            Some(url) => format!("{}{path}", url.trim_end_matches('/')),
            None => format!("http://{}{path}", self.listen),
        }
    }

    /// Reads the file and makes its paths absolute.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
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
        let base = path.parent().unwrap_or(Path::new("."));
        for file in [
            &mut config.genesis,
            &mut config.link_key,
            &mut config.store,
            &mut config.public,
        ] {
            *file = base.join(&*file);
        }
        Ok(config)
    }
}
