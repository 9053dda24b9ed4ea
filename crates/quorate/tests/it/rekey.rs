//! From a tenant whose keys must go to one with new keys, as `quorate rekey` leads there.

use crate::system::System;
use ed25519_dalek::{
    SigningKey,
    pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding},
};
use quorate::tenant;
use quorate_rules::TokenAlg;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Names of what one run carried over, each logged in the new tenant.
fn moved(report: &Value) -> Vec<&str> {
    let all = report["moved"].as_array().unwrap().iter();
    all.map(|one| {
        assert_eq!(one["state"], "logged", "{one}");
        one["client_id"].as_str().or(one["user"].as_str()).unwrap()
    })
    .collect()
}

#[test]
fn a_tenant_moves_to_new_keys_step_by_step() {
    let old = System::of(TokenAlg::Es256);
    let app = "https://app.example/callback";
    for arguments in [
        &["client", "add", "backup", "--scope", "files.read"][..],
        &["client", "add", "gone", "--scope", "files.read"],
        &["client", "suspend", "gone"],
        &["client", "add", "app", "--type", "web", "--redirect-uri", app],
        &["user", "invite", "ada", "--group", "crew"],
        &["user", "invite", "eve"],
        &["user", "suspend", "eve"],
    ] {
        assert_eq!(old.json(arguments)["state"], "logged", "{arguments:?}");
    }
    old.token();

    // The first run says how to make the new tenant, with the old one's numbers; done so, the second carries over.
    let mut new = old.beside();
    let place = new.layout_dir();
    let to = place.to_str().unwrap();
    let first = old.json(&["rekey", "--to", to]);
    let next = first["next"].as_str().unwrap();
    assert!(
        next.contains("--alg ES256 --custodians 4 --threshold 3 --faulty 1"),
        "{next}"
    );
    assert!(next.contains(&format!("quorate up --data-dir {to}")), "{next}");
    assert_eq!((&first["bans"], &first["moved"]), (&json!([]), &json!([])));
    new.up(&["--alg", "ES256"]);
    let second = old.json(&["rekey", "--to", to]);
    assert_eq!(moved(&second), ["app", "backup", "ada"], "{second}");
    let secret = second["moved"][0]["client_secret"].as_str().unwrap();
    assert!(!old.logs().contains(secret) && !new.logs().contains(secret));
    let invitation = second["moved"][2]["invitation"].as_str().unwrap();
    assert!(
        invitation.starts_with(&format!("{}/enrol#", new.issuer)),
        "{invitation}"
    );

    // A machine's own key is good in the new tenant, for a token under the new key alone.
    let key = |system: &System| system.layout_dir().join("clients/backup.jwk");
    fs::copy(key(&old), key(&new)).unwrap();
    let token = new.succeed(&["token", "--client", "backup"]);
    let token = token.trim();
    assert_eq!(new.json(&["verify", token])["valid"], true);
    let elsewhere = old.quorate(&["verify", "--json", token]);
    let told: Value = serde_json::from_slice(&elsewhere.stdout).unwrap();
    assert_eq!(
        (&told["valid"], &told["failed"]),
        (&false.into(), &"issuer".into()),
        "{told}"
    );
    let users = new.json(&["user", "list"])["users"].clone();
    let ada = users
        .as_array()
        .unwrap()
        .iter()
        .find(|user| user["preferred_username"] == "ada");
    assert_eq!(ada.unwrap()["groups"], json!(["crew"]));

    // Run again, it carries nothing twice, and leads to the end of the old tenant.
    let third = old.json(&["rekey", "--to", to]);
    assert_eq!(third["moved"], json!([]));
    for name in ["app", "backup", "ada"] {
        assert!(third["there"].as_array().unwrap().contains(&name.into()), "{third}");
    }
    for id in third["to_stop"].as_array().unwrap() {
        let line = format!("quorate client suspend {} --data-dir", id.as_str().unwrap());
        assert!(third["next"].as_str().unwrap().contains(&line), "{third}");
        assert_eq!(
            old.json(&["client", "suspend", id.as_str().unwrap()])["state"],
            "logged"
        );
    }
    let told = old.succeed(&["rekey", "--to", to]);
    assert!(
        told.contains("no client of the old tenant gets a token any more"),
        "{told}"
    );
    assert!(told.contains("when the last has died, 300 s from now"), "{told}");
    assert!(!old.quorate(&["token", "--client", "demo-service"]).status.success());
    new.token();
}

/// Entries tiles below this directory.
fn entries_tiles(place: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(entries_tiles(&entry));
        } else {
            found.push(entry);
        }
    }
    found
}

#[test]
fn a_site_that_changes_a_leaf_moves_nobody() {
    let old = System::start();
    assert_eq!(
        old.json(&["client", "add", "backup", "--scope", "files.read"])["state"],
        "logged"
    );
    old.token();
    let mut new = old.beside();
    new.up(&[]);
    let to = new.layout_dir();
    let refused = |words: &str| {
        let output = old.quorate(&["rekey", "--to", to.to_str().unwrap()]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(words), "{told}");
        let clients = new.json(&["client", "list"])["clients"].clone();
        assert!(
            clients
                .as_array()
                .unwrap()
                .iter()
                .all(|one| one["client_id"] != "backup")
        );
    };
    // A leaf of every entries tile is changed: wherever the decision stands, it might have been that one.
    let verified = old.json(&["verify", &old.token()]);
    assert_eq!(verified["valid"], true, "all is published");
    let tiles = entries_tiles(&old.layout_dir().join("gateway/public/tile/entries"));
    let good: Vec<Vec<u8>> = tiles.iter().map(|tile| fs::read(tile).unwrap()).collect();
    for (tile, good) in tiles.iter().zip(&good) {
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        fs::write(tile, bad).unwrap();
    }
    refused("the leaves do not give the root of the checkpoint");
    for (tile, good) in tiles.iter().zip(&good) {
        fs::write(tile, good).unwrap();
    }
    assert_eq!(moved(&old.json(&["rekey", "--to", to.to_str().unwrap()])), ["backup"]);
}

/// Two of two administrators decide in the new tenant.
#[test]
fn what_waits_for_approvals_is_not_proposed_twice() {
    let old = System::start();
    assert_eq!(
        old.json(&["client", "add", "backup", "--scope", "files.read"])["state"],
        "logged"
    );
    assert_eq!(old.json(&["user", "invite", "ada"])["state"], "logged");
    let mut new = old.beside();
    new.up(&[]);
    let layout = new.layout();
    let bob = layout.root().join("admin/bob.pem");
    let key = SigningKey::from_bytes(&[7; 32]);
    fs::write(&bob, key.to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes()).unwrap();
    let admin = tenant::read_admin_key(&layout.admin_key()).unwrap();
    let admins = [("admin", &admin), ("bob", &key)]
        .map(|(name, key)| format!("{name}={}", hex::encode(key.verifying_key().to_bytes())));
    let two = [
        "proposal", "admins", "-k", "2", "--admin", &admins[0], "--admin", &admins[1],
    ];
    assert_eq!(new.json(&two)["state"], "logged");

    let place = new.layout_dir();
    let to = place.to_str().unwrap();
    let run = || old.json(&["rekey", "--to", to]);
    // An approval is of the registry as it stands, so one is proposed after the other.
    for (name, later) in [("backup", json!(["ada"])), ("ada", json!([]))] {
        let first = run();
        let [proposed] = first["moved"].as_array().unwrap().as_slice() else {
            panic!("{first}")
        };
        assert_eq!((&proposed["state"], &first["later"]), (&"open".into(), &later));
        let again = run();
        assert_eq!(again["moved"], json!([]), "not with another secret or invitation");
        assert_eq!(again["waiting"].as_array().unwrap().len(), 1, "{again}");
        let waiting = &again["waiting"][0];
        assert!(waiting["client_id"] == name || waiting["user"] == name, "{waiting}");
        let id = proposed["proposal"].as_str().unwrap();
        assert_eq!(waiting["proposal"], id);
        assert!(
            again["next"]
                .as_str()
                .unwrap()
                .contains(&format!("quorate proposal approve {id}"))
        );
        let approved = new.json(&["proposal", "approve", id, "--admin-key", bob.to_str().unwrap()]);
        assert_eq!(approved["state"], "logged", "{approved}");
    }
    let last = run();
    assert_eq!(
        (&last["waiting"], &last["moved"], &last["later"]),
        (&json!([]), &json!([]), &json!([]))
    );
    assert!(last["there"].as_array().unwrap().contains(&"ada".into()), "{last}");
}

#[test]
fn a_tenant_does_not_move_to_itself_or_to_another_algorithm() {
    let old = System::start();
    let refused = |to: &str, words: &str| {
        let output = old.quorate(&["rekey", "--to", to]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(words), "{told}");
    };
    let own = old.layout_dir();
    refused(own.to_str().unwrap(), "--to names another directory");
    let mut new = old.beside();
    new.up(&["--alg", "ES256"]);
    refused(new.layout_dir().to_str().unwrap(), "make it with --alg EdDSA");
}
