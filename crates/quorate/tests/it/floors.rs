//! The manifests hold the floors: who may import whom, what the pure crates may not touch, and how large the custodian may grow.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn normal_dependencies(package: &str) -> BTreeSet<String> {
    let path = root().join("crates").join(package).join("Cargo.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text
        .split("\n[dependencies]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    section
        .lines()
        .filter_map(|line| Some(line.split(['.', ' ', '=']).next()?.to_owned()))
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn crates_import_only_lower_floors() {
    let allowed: &[(&str, &[&str])] = &[
        ("quorate-tlog", &[]),
        ("quorate-threshold", &[]),
        ("quorate-store", &[]),
        ("quorate-rules", &["tlog"]),
        ("quorate-protocol", &["tlog", "threshold", "rules"]),
        ("quorate-custodian", &["tlog", "rules", "protocol", "store"]),
        ("quorate-gateway", &["tlog", "rules", "protocol", "store"]),
        (
            "quorate",
            &["tlog", "rules", "protocol", "store", "custodian", "gateway", "watch"],
        ),
    ];
    for (package, allowed) in allowed {
        let allowed: BTreeSet<String> = allowed.iter().map(|name| format!("quorate-{name}")).collect();
        let ours: BTreeSet<String> = normal_dependencies(package)
            .into_iter()
            .filter(|name| name.starts_with("quorate"))
            .collect();
        assert!(
            ours.is_subset(&allowed),
            "{package} imports {:?}",
            ours.difference(&allowed).collect::<Vec<_>>()
        );
    }
}

#[test]
fn pure_crates_have_no_runtime_and_only_one_has_curves() {
    let pure = ["quorate-tlog", "quorate-threshold", "quorate-rules", "quorate-protocol"];
    for package in pure {
        for banned in [
            "tokio",
            "hyper",
            "axum",
            "reqwest",
            "redb",
            "rustls",
            "tracing",
            "getrandom",
        ] {
            assert!(
                !normal_dependencies(package).contains(banned),
                "{package} must not use {banned}"
            );
        }
    }
    for package in [
        "quorate-tlog",
        "quorate-rules",
        "quorate-protocol",
        "quorate-store",
        "quorate-custodian",
        "quorate-gateway",
        "quorate",
    ] {
        for curve in ["frost-core", "frost-ed25519", "curve25519-dalek"] {
            assert!(
                !normal_dependencies(package).contains(curve),
                "{package} must not use {curve}"
            );
        }
    }
}

#[test]
fn shares_are_used_in_one_place() {
    let mut calls = Vec::new();
    for package in std::fs::read_dir(root().join("crates")).unwrap().flatten() {
        collect(&package.path().join("src"), &mut calls);
    }
    assert_eq!(calls.len(), 1, "quorate_threshold::sign is called in {calls:?}");
    assert!(calls[0].ends_with("quorate-protocol/src/permit.rs"), "{calls:?}");
}

fn collect(folder: &Path, calls: &mut Vec<String>) {
    for item in std::fs::read_dir(folder).unwrap().flatten() {
        let path = item.path();
        if path.is_dir() {
            collect(&path, calls);
        } else if std::fs::read_to_string(&path)
            .unwrap()
            .contains("quorate_threshold::sign(")
        {
            calls.push(path.to_string_lossy().into_owned());
        }
    }
}

#[test]
fn no_two_domain_strings_are_alike() {
    let all: Vec<&[u8]> = [quorate_rules::domain::ALL, quorate_protocol::domain::ALL].concat();
    for (at, one) in all.iter().enumerate() {
        assert_eq!(
            one.iter().position(|byte| *byte == 0),
            Some(one.len() - 1),
            "a domain string ends in its only NUL"
        );
        assert!(all.iter().skip(at + 1).all(|other| other != one));
    }
    let threshold = std::fs::read_to_string(root().join("crates/quorate-threshold/src/domain.rs")).unwrap();
    for one in all {
        let text = std::str::from_utf8(&one[..one.len() - 1]).unwrap();
        assert!(
            !threshold.contains(&format!("\"{text}\\0")),
            "{text} stands in two crates"
        );
    }
}

/// The number may only shrink; raise it in a commit that says why.
#[test]
fn the_custodian_stays_small() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "quorate-custodian",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--offline",
            "--locked",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let packages: BTreeSet<&str> = std::str::from_utf8(&output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split(" (").next())
        .filter(|line| !line.starts_with("quorate"))
        .collect();
    let limit: usize = std::fs::read_to_string(root().join("crates/quorate-custodian/packages.max"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(packages.len() <= limit, "{} packages, at most {limit}", packages.len());
    for banned in ["sqlx", "rusqlite", "axum", "askama", "minijinja", "reqwest"] {
        assert!(
            !packages
                .iter()
                .any(|package| package.starts_with(&format!("{banned} "))),
            "{banned} in the custodian"
        );
    }
}

/// Rust files below this directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn every_refusal_is_provoked_by_a_test() {
    let mut tests = String::new();
    for package in std::fs::read_dir(root().join("crates")).unwrap() {
        let package = package.unwrap().path();
        for file in sources(&package.join("tests")) {
            // The simulator reacts to refusals; it expects none.
            if !file.to_string_lossy().contains("/simulator") {
                tests += &std::fs::read_to_string(file).unwrap();
            }
        }
        for file in sources(&package.join("src")) {
            let text = std::fs::read_to_string(file).unwrap();
            tests += text.split_once("#[cfg(test)]").map_or("", |(_, tests)| tests);
        }
    }
    let provoked: BTreeSet<&str> = tests
        .split("Refusal::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap())
        .collect();
    let never: Vec<String> = quorate_rules::Refusal::ALL
        .iter()
        .map(|refusal| format!("{refusal:?}"))
        .filter(|name| !provoked.contains(name.as_str()))
        .collect();
    assert!(never.is_empty(), "no test provokes {never:?}");
}
