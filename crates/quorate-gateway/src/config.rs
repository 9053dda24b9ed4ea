//! A gateway's configuration file.

use serde::Deserialize;
use std::io::Read;
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

/// Largest configuration file, bytes; whatever stands at the path, no more is read.
const MAX_FILE: u64 = 64 * 1024;

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
        Config::parse(text, Path::new("/etc/quorate/gateway.toml"))
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
        assert_eq!(config.name, "gateway-1");
        assert_eq!((config.listen.port(), config.link.port()), (8411, 8412));
    }

    #[test]
    fn the_manual_shows_the_same_example() {
        let manual = include_str!("../../../docs/OPERATING.md");
        let block = format!("```toml\n# gateway.toml\n{}```\n", example());
        assert!(manual.contains(&block), "docs/OPERATING.md lacks\n{block}");
        assert!(parse(&block.replace("```toml", "").replace("```", "")).is_ok());
    }

    #[test]
    fn the_documentation_names_every_key_and_each_is_read() {
        // The refusal of an unknown key lists those that are known.
        let told = match parse(&format!("unknown = 1\n{}", example())) {
            Err(ConfigError::Parse { source, .. }) => source.to_string(),
            other => panic!("{other:?}"),
        };
        let (_, list) = told.split_once("expected ").unwrap_or_else(|| panic!("{told}"));
        let known: BTreeSet<&str> = list.split('`').skip(1).step_by(2).collect();
        let settings = settings();
        assert_eq!(known, settings.iter().map(|line| key_of(line)).collect());
        let before = format!("{:?}", parse(&example()).unwrap());
        for line in settings {
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
            assert_eq!(missing.is_ok(), line.contains("# optional"), "{key}");
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
        assert_eq!(config.store, Path::new("/etc/quorate/gateway.redb"));
    }

    #[test]
    fn a_file_has_at_most_64_kib() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gateway.toml");
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
                Ok(config) => prop_assert!(config.store.starts_with("/")),
                Err(refused) => prop_assert!(!refused.to_string().is_empty()),
            }
        }
    }
}
