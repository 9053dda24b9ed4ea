//! A custodian's configuration file.

use serde::Deserialize;
use std::io::Read;
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
/// [[gateway]]                      # one table for each gateway, 1 to 16 of them
/// name = "gateway-1"               # as enrolled in genesis or by decision; its key comes from there, too
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

/// Largest configuration file, bytes; whatever stands at the path, no more is read.
const MAX_FILE: u64 = 64 * 1024;

impl Config {
    /// Reads the file and makes its paths absolute.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = || -> std::io::Result<String> {
            let mut text = String::new();
            let file = std::fs::File::open(path)?;
            if file.take(MAX_FILE + 1).read_to_string(&mut text)? as u64 > MAX_FILE {
                return Err(std::io::Error::other("larger than 64 KiB"));
            }
            Ok(text)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The example in the documentation of [`Config`].
    fn example() -> String {
        let documentation = include_str!("config.rs").split("/// ```toml\n").nth(1).unwrap();
        let block = documentation.split("/// ```\n").next().unwrap();
        let lines = block.lines().map(|line| line.strip_prefix("///").unwrap().trim_start());
        lines.map(|line| format!("{line}\n")).collect()
    }

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/etc/quorate/custodian.toml"))
    }

    /// The example with one line put in the place of another.
    fn with(line: &str, other: &str) -> String {
        let text = example();
        assert!(text.contains(line), "{line}");
        text.replace(line, other)
    }

    /// Lines of the example that set a key.
    fn settings() -> Vec<String> {
        let example = example();
        let lines = example.lines().filter(|line| line.contains(" = "));
        lines.map(str::to_owned).collect()
    }

    fn key_of(line: &str) -> &str {
        line.split(" = ").next().unwrap()
    }

    #[test]
    fn the_documented_example_is_read() {
        let config = parse(&example()).unwrap();
        assert_eq!((config.number, config.gateway.len()), (1, 1));
        assert_eq!(config.gateway[0].address, "127.0.0.1:8412");
        assert_eq!(config.metrics, Some("127.0.0.1:9401".parse().unwrap()));
    }

    #[test]
    fn the_manual_shows_the_same_example() {
        let manual = include_str!("../../../docs/OPERATING.md");
        let block = format!("```toml\n# custodian.toml\n{}```\n", example());
        assert!(manual.contains(&block), "docs/OPERATING.md lacks\n{block}");
        assert!(parse(&block.replace("```toml", "").replace("```", "")).is_ok());
    }

    #[test]
    fn the_documentation_names_every_key_and_each_is_read() {
        let told = |text: String| match parse(&text) {
            Err(ConfigError::Parse { source, .. }) => source.to_string(),
            other => panic!("{other:?}"),
        };
        // The refusal of an unknown key lists those that are known.
        let mut known = BTreeSet::new();
        for text in [
            format!("unknown = 1\n{}", example()),
            format!("{}unknown = 1\n", example()),
        ] {
            let told = told(text);
            let (_, list) = told.split_once("expected ").unwrap_or_else(|| panic!("{told}"));
            known.extend(list.split('`').skip(1).step_by(2).map(str::to_owned));
        }
        let documented: BTreeSet<String> = settings().iter().map(|line| key_of(line).to_owned()).collect();
        let tables = example()
            .lines()
            .filter_map(|line| {
                line.strip_prefix("[[")?
                    .split_once("]]")
                    .map(|(table, _)| table.to_owned())
            })
            .collect();
        assert_eq!(known, documented.union(&tables).cloned().collect());
        let before = format!("{:?}", parse(&example()).unwrap());
        for line in settings() {
            let (key, value) = line.split_once(" = ").unwrap();
            let other = match value.split(" #").next().unwrap().trim() {
                number if number.parse::<u16>().is_ok() => "2".to_owned(),
                address if address.contains("127.0.0.1") => "\"127.0.0.2:7\"".to_owned(),
                _ => "\"other\"".to_owned(),
            };
            let after = parse(&with(&line, &format!("{key} = {other}"))).unwrap();
            assert_ne!(format!("{after:?}"), before, "{key} is not looked at");
        }
    }

    #[test]
    fn keys_that_are_missing_twice_or_of_another_type_are_refused() {
        for line in settings() {
            let key = key_of(&line);
            let missing = parse(&with(&line, ""));
            assert_eq!(missing.is_ok(), key == "metrics", "{key}");
            assert!(parse(&with(&line, &format!("{line}\n{line}"))).is_err(), "{key} twice");
            for other in ["[]", "{}", "1.5", "true", "70000"] {
                assert!(
                    parse(&with(&line, &format!("{key} = {other}"))).is_err(),
                    "{key} = {other}"
                );
            }
        }
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = parse(&with(
            "genesis = \"genesis.cbor\"",
            "genesis = \"/elsewhere/genesis.cbor\"",
        ))
        .unwrap();
        assert_eq!(config.genesis, Path::new("/elsewhere/genesis.cbor"));
        assert_eq!(config.store, Path::new("/etc/quorate/custodian.redb"));
    }

    #[test]
    fn a_file_has_at_most_64_kib() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("custodian.toml");
        let load = |length: usize| {
            let comment = "#".repeat(length - example().len() - 1);
            std::fs::write(&path, format!("{comment}\n{}", example())).unwrap();
            Config::load(&path)
        };
        let config = load(64 * 1024).unwrap();
        assert_eq!(config.genesis, directory.path().join("genesis.cbor"));
        assert!(
            matches!(load(64 * 1024 + 1), Err(ConfigError::Read { source, .. }) if source.to_string().contains("64 KiB"))
        );
        // It has no length, and no end either.
        assert!(matches!(
            Config::load(Path::new("/dev/zero")),
            Err(ConfigError::Read { .. })
        ));
        let missing = Config::load(&directory.path().join("missing.toml")).unwrap_err();
        assert!(missing.to_string().ends_with("missing.toml"), "{missing}");
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_refused_in_words(text in any::<String>()) {
            let refused = parse(&text).expect_err("a configuration by chance");
            prop_assert!(!refused.to_string().is_empty());
        }

        #[test]
        fn a_mangled_example_is_read_or_refused(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<char>(), any::<bool>()), 1..4)) {
            let mut letters: Vec<char> = example().chars().collect();
            for (at, letter, insert) in edits {
                let at = at.index(letters.len());
                if insert { letters.insert(at, letter) } else { letters[at] = letter }
            }
            let text: String = letters.into_iter().collect();
            match parse(&text) {
                Ok(config) => {
                    prop_assert!((1..=16).contains(&config.gateway.len()));
                    prop_assert!(config.metrics.is_none_or(|address| address.ip().is_loopback()));
                }
                Err(refused) => prop_assert!(!refused.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn metrics_are_shown_on_loopback_only_and_gateways_are_1_to_16() {
        let metrics = |address: &str| parse(&with("127.0.0.1:9401", address));
        assert!(metrics("[::1]:9401").is_ok() && metrics("127.8.8.8:1").is_ok());
        for address in ["0.0.0.0:9401", "[::]:9401", "192.0.2.1:9401"] {
            assert!(
                matches!(metrics(address), Err(ConfigError::Value { what, .. }) if what.contains("loopback")),
                "{address}"
            );
        }
        let example = example();
        let (head, gateway) = example.split_at(example.find("[[gateway]]").unwrap());
        let gateways = |count: usize| parse(&format!("{head}{}", gateway.repeat(count)));
        assert!(gateways(1).is_ok() && gateways(16).is_ok());
        assert!(gateways(17).is_err() && gateways(0).is_err() && parse(&format!("gateway = []\n{head}")).is_err());
    }
}
