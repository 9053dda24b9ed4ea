//! The data directory: which file is where.

use anyhow::{Context, Result, bail};
use quorate_protocol::Committee;
use quorate_rules::TokenAlg;
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
    /// JWS algorithm of tokens, "EdDSA" or "ES256", as in genesis; never changes. Files of before there was a choice lack it and mean
    /// "EdDSA".
    #[serde(default = "before_there_was_a_choice")]
    pub token_alg: TokenAlg,
    /// Whether it is a demonstration.
    pub demo: bool,
}

const fn before_there_was_a_choice() -> TokenAlg {
    TokenAlg::EdDsa
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

    /// Reads `genesis.cbor`.
    pub fn committee(&self) -> Result<Committee> {
        let genesis = file::read_bounded(&self.genesis(), 1 << 20)?.context("genesis.cbor is missing")?;
        Committee::from_genesis(&genesis)
            .map_err(|_| anyhow::anyhow!("genesis.cbor is not a genesis document that this release knows"))
    }

    /// Reads `run.json`, if a system runs.
    pub fn running(&self) -> Result<Option<RunFile>> {
        match file::read_bounded(&self.run_file(), 64 * 1024)? {
            None => Ok(None),
            Some(bytes) => Ok(Some(serde_json::from_slice(&bytes).context("run.json cannot be read")?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// A data directory of its own that is gone afterwards.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn layout(&self) -> Layout {
            Layout::new(self.0.path())
        }

        fn tenant(&self, text: impl AsRef<[u8]>) -> Result<TenantFile> {
            std::fs::write(self.layout().tenant_file(), text).unwrap();
            self.layout().tenant()
        }

        fn running(&self, text: impl AsRef<[u8]>) -> Result<Option<RunFile>> {
            std::fs::write(self.layout().run_file(), text).unwrap();
            self.layout().running()
        }
    }

    fn tenant() -> TenantFile {
        TenantFile {
            issuer: "http://localhost:8410".to_owned(),
            gateway: "http://localhost:8411".to_owned(),
            port: 8410,
            custodians: 4,
            threshold: 3,
            faulty: 1,
            token_alg: TokenAlg::Es256,
            demo: true,
        }
    }

    fn run() -> Value {
        json!({ "up": 7, "processes": { "gateway": 8, "custodian-1": 9 } })
    }

    #[test]
    fn what_is_written_is_read_and_nothing_is_no_system() {
        let place = Place::new();
        assert!(place.layout().running().unwrap().is_none());
        let told = place.layout().tenant().unwrap_err().to_string();
        assert!(told.contains("run `quorate up`"), "{told}");
        assert_eq!(place.tenant(toml::to_string(&tenant()).unwrap()).unwrap(), tenant());
        let running = place.running(run().to_string()).unwrap().unwrap();
        assert_eq!(running.processes["custodian-1"], 9);
        assert_eq!(serde_json::to_value(&running).unwrap(), run());
    }

    #[test]
    fn unknown_missing_and_doubled_keys_and_other_types_are_refused() {
        let place = Place::new();
        let good = toml::to_string(&tenant()).unwrap();
        assert_eq!(good.lines().count(), 8);
        assert!(place.tenant(format!("{good}unknown = 1\n")).is_err());
        for line in good.lines() {
            let (key, _) = line.split_once(" = ").unwrap();
            for other in [
                String::new(),
                format!("{line}\n{line}"),
                format!("{key} = []"),
                format!("{key} = -1"),
            ] {
                let may_be_absent = key == "token_alg" && other.is_empty();
                assert_eq!(
                    place.tenant(good.replace(line, &other)).is_ok(),
                    may_be_absent,
                    "{other:?} instead of {line}"
                );
            }
        }
        for (key, value) in [
            ("unknown", json!(1)),
            ("up", json!(-1)),
            ("up", json!("7")),
            ("processes", json!([])),
        ] {
            let mut other = run();
            other[key] = value;
            assert!(place.running(other.to_string()).is_err(), "{other}");
        }
        for text in [
            "{}",
            "[]",
            "null",
            "",
            "{\"up\":7,\"up\":7,\"processes\":{}}",
            "{\"up\":7,\"processes\":{}} x",
        ] {
            assert!(place.running(text).is_err(), "{text}");
        }
        let mut other = run();
        other["processes"]["gateway"] = json!(-8);
        assert!(place.running(other.to_string()).is_err());
    }

    #[test]
    fn a_tenant_file_names_one_of_two_algorithms_and_an_older_one_means_eddsa() {
        let place = Place::new();
        let good = toml::to_string(&tenant()).unwrap();
        let line = "token_alg = \"ES256\"\n";
        assert!(good.contains(line), "{good}");
        let check = |line: &str, written: &str, expected: Result<TokenAlg, &str>| match (
            place.tenant(good.replace(line, written)),
            expected,
        ) {
            (Ok(tenant), Ok(alg)) => assert_eq!(tenant.token_alg, alg, "{written}"),
            (Err(told), Err(words)) => assert!(format!("{told:#}").contains(words), "{told:#}"),
            (outcome, _) => panic!("{written}: {outcome:?}"),
        };
        check(line, line, Ok(TokenAlg::Es256));
        check(line, "token_alg = \"EdDSA\"\n", Ok(TokenAlg::EdDsa));
        check(line, "", Ok(TokenAlg::EdDsa));
        for other in ["RS256", "HS256", "none", "es256", "Ed25519", "EdDSA ES256", ""] {
            let other = format!("token_alg = \"{other}\"\n");
            check(line, &other, Err("write \"EdDSA\" or \"ES256\""));
        }
    }

    #[test]
    fn neither_file_has_more_than_64_kib() {
        let place = Place::new();
        let good = toml::to_string(&tenant()).unwrap();
        let padded = |length: usize| format!("#{}\n{good}", "x".repeat(length - good.len() - 2));
        assert!(place.tenant(padded(64 * 1024)).is_ok());
        assert!(place.tenant(padded(64 * 1024 + 1)).is_err());
        let padded = |length: usize| format!("{}{}", run(), " ".repeat(length - run().to_string().len()));
        assert!(place.running(padded(64 * 1024)).is_ok());
        assert!(place.running(padded(64 * 1024 + 1)).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_in_words(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
            let place = Place::new();
            for refused in [place.tenant(&bytes).err(), place.tenant(&text).err(), place.running(&bytes).err(), place.running(&text).err()] {
                prop_assert!(!refused.expect("no file by chance").to_string().is_empty());
            }
        }

        #[test]
        fn mangled_files_are_refused_or_read_as_what_they_say(at in any::<prop::sample::Index>(), byte in any::<u8>(), insert in any::<bool>()) {
            let place = Place::new();
            let mangled = |text: String| {
                let mut bytes = text.into_bytes();
                let at = at.index(bytes.len());
                if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
                bytes
            };
            if let Ok(read) = place.tenant(mangled(toml::to_string(&tenant()).unwrap())) {
                prop_assert_eq!(place.tenant(toml::to_string(&read).unwrap()).unwrap(), read);
            }
            if let Ok(Some(read)) = place.running(mangled(run().to_string())) {
                prop_assert_eq!(place.running(serde_json::to_vec(&read).unwrap()).unwrap(), Some(read));
            }
        }
    }
}
