//! What a user does with machines, command by command.

use crate::system::{QUORATE, System};
use quorate_rules::TokenAlg;
use serde_json::Value;
use std::process::Command;

fn claims(token: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    serde_json::from_slice(&B64.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn a_token_is_issued_verified_and_found_in_the_log() {
    TokenAlg::ALL.into_iter().for_each(token_path);
}

fn token_path(alg: TokenAlg) {
    let system = System::of(alg);
    let token = system.token();
    let verified = system.json(&["verify", &token]);
    assert_eq!(verified["valid"], true, "{verified}");
    assert_eq!(verified["checks"].as_array().unwrap().len(), 8);
    let claims = claims(&token);
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&system.issuer.as_str().into(), &system.issuer.as_str().into())
    );
    assert_eq!(claims["client_id"], "demo-service");
    let index = claims["tlx"].as_str().unwrap().strip_prefix("1/").unwrap().to_owned();

    let shown = system.json(&["log", "show", &index]);
    assert_eq!(shown["body"]["claims"], claims, "the sealed body opens to the claims");
    assert!(
        system
            .succeed(&["log", "proof", &index])
            .starts_with("c2sp.org/tlog-proof@v1\n")
    );
    assert_eq!(system.json(&["log", "fsck"])["clean"], true);
    let status = system.json(&["status"]);
    assert_eq!((&status["voting"], &status["margin"]), (&4.into(), &1.into()));
}

#[test]
fn verify_names_the_check_that_fails() {
    TokenAlg::ALL.into_iter().for_each(failing_checks);
}

fn failing_checks(alg: TokenAlg) {
    let system = System::of(alg);
    let token = system.token();
    let check = |arguments: &[&str], expected: &str| {
        let output = system.quorate(&[&["verify", "--json"][..], arguments].concat());
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert_eq!(told["failed"], expected, "{told}");
    };
    check(&["not.a.token"], "format");
    check(&[&token, "--audience", "https://other.example"], "audience");
    check(&[&token, "--issuer", "http://localhost:1"], "issuer");
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let flipped = if parts[2].starts_with('A') { "B" } else { "A" };
    parts[2].replace_range(..1, flipped);
    check(&[&parts.join(".")], "signature");
}

#[test]
fn a_second_start_resumes_the_same_keys_and_log() {
    TokenAlg::ALL.into_iter().for_each(second_start);
}

fn second_start(alg: TokenAlg) {
    let mut system = System::of(alg);
    let first = system.token();
    let jwks = std::fs::read(system.layout_dir().join("site/jwks.json")).unwrap();
    system.down();
    assert!(
        system.layout().running().unwrap().is_none(),
        "run.json goes with the processes"
    );
    system.up(&[]);
    assert_eq!(std::fs::read(system.layout_dir().join("site/jwks.json")).unwrap(), jwks);
    let second = system.token();
    let index = |token: &str| claims(token)["tlx"].as_str().unwrap()[2..].parse::<u64>().unwrap();
    assert_eq!(index(&second), index(&first) + 1, "the log goes on where it stood");
    assert_eq!(system.json(&["verify", &first])["valid"], true);
    assert_eq!(system.json(&["status"])["custodians"][0]["incarnation"], 2);
}

#[test]
fn clients_are_added_stopped_and_refused_by_decision() {
    let system = System::start();
    let told = system.json(&[
        "client",
        "add",
        "backup",
        "--scope",
        "files.read",
        "--audience",
        "https://files.example",
        "--key-alg",
        "EdDSA",
    ]);
    assert_eq!(told["state"], "logged", "{told}");
    let answer = system.json(&["token", "--client", "backup"]);
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(answer["scope"], "files.read");
    assert_eq!(claims(token)["aud"], "https://files.example");
    assert_eq!(
        system.json(&["verify", token, "--audience", "https://files.example"])["valid"],
        true
    );
    let narrower = system.quorate(&["token", "--client", "demo-service", "--scope", "demo.read"]);
    assert!(String::from_utf8_lossy(&narrower.stderr).contains("invalid_scope"));

    assert_eq!(system.json(&["client", "suspend", "backup"])["state"], "logged");
    let refused = system.quorate(&["token", "--client", "backup"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("invalid_client"));
    let clients = system.json(&["client", "list"]);
    assert_eq!(
        clients["clients"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|client| client["suspended"] == true)
            .count(),
        1
    );
}

#[test]
fn two_of_three_administrators_decide() {
    use ed25519_dalek::{
        SigningKey,
        pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding},
    };
    let system = System::start();
    let mut arguments = vec![
        "proposal".to_owned(),
        "admins".to_owned(),
        "-k".to_owned(),
        "2".to_owned(),
    ];
    for (number, name) in ["alice", "bob", "carol"].iter().enumerate() {
        let key = SigningKey::from_bytes(&[u8::try_from(number).unwrap() + 1; 32]);
        std::fs::write(
            system.layout_dir().join(format!("admin/{name}.pem")),
            key.to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes(),
        )
        .unwrap();
        arguments.extend([
            "--admin".to_owned(),
            format!("{name}={}", hex::encode(key.verifying_key().to_bytes())),
        ]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(system.json(&arguments)["state"], "logged");

    let key = |name: &str| {
        system
            .layout_dir()
            .join(format!("admin/{name}.pem"))
            .to_string_lossy()
            .into_owned()
    };
    let (alice, bob) = (key("alice"), key("bob"));
    let former = system.quorate(&["client", "list"]);
    assert!(
        !former.status.success(),
        "the former administrator decides nothing any more"
    );
    let proposed = system.json(&["client", "add", "two", "--scope", "s", "--admin-key", &alice]);
    assert_eq!((&proposed["state"], &proposed["needed"]), (&"open".into(), &2.into()));
    let id = proposed["id"].as_str().unwrap();
    assert_eq!(
        system.json(&["proposal", "approve", id, "--admin-key", &alice])["state"],
        "open",
        "one administrator twice is one"
    );
    assert!(!system.quorate(&["token", "--client", "two"]).status.success());
    assert!(
        system
            .succeed(&["proposal", "show", id, "--admin-key", &bob])
            .contains("client two")
    );
    assert_eq!(
        system.json(&["proposal", "approve", id, "--admin-key", &bob])["state"],
        "logged"
    );
    assert!(system.quorate(&["token", "--client", "two"]).status.success());
    // Stopping needs one.
    assert_eq!(
        system.json(&["client", "suspend", "two", "--admin-key", &bob])["state"],
        "logged"
    );
}

#[test]
fn unsafe_quorums_other_issuers_and_taken_ports_are_refused_in_words() {
    let up = |arguments: &[&str]| {
        let output = Command::new(QUORATE).arg("up").args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("d");
    let place = place.to_str().unwrap();
    assert!(
        up(&[
            "--data-dir",
            place,
            "--custodians",
            "4",
            "--threshold",
            "2",
            "--faulty",
            "1"
        ])
        .contains("2t > n + f")
    );
    let mut system = System::start();
    let data = system.layout_dir();
    system.down();
    let told = up(&["--data-dir", data.to_str().unwrap(), "--port", "1024"]);
    assert!(told.contains("an issuer never changes"), "{told}");
}

#[test]
fn health_readiness_metrics_and_traces() {
    let system = System::start();
    system.token();
    let get = |path: &str| exchange(&system.gateway, "GET", path, &[], "").unwrap();
    assert_eq!(get("/healthz").0, 200);
    assert_eq!(get("/readyz").0, 200);
    let (_, metrics) = get("/metrics");
    for name in [
        "quorate_tokens_total 1",
        "quorate_custodian_votes_total{custodian=\"1\"}",
        "quorate_token_seconds_bucket",
        "quorate_ready 1",
    ] {
        assert!(metrics.contains(name), "{name} is missing in {metrics}");
    }
    let (status, body) = exchange(
        &system.gateway,
        "POST",
        "/token",
        &[("content-type", "application/json")],
        "{}",
    )
    .unwrap();
    assert_eq!(status, 400);
    assert!(body.contains("invalid_request"));
    assert_eq!(get("/admin/registry").0, 401);
    assert_eq!(get("/admin/entries/0").0, 401);
    assert_eq!(get("/admin/proposals").0, 401);
}

/// One HTTP/1.1 exchange without a library between the test and the bytes.
pub fn exchange(
    base: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<(u16, String)> {
    use std::io::{Error, Read, Write};
    let address = base.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address)?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let cut = || Error::other("the answer was cut");
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(cut)?;
    Ok((status, answer.split_once("\r\n\r\n").ok_or_else(cut)?.1.to_owned()))
}

#[test]
fn the_shipped_custodian_runs_on_the_same_directory() {
    let mut system = System::start();
    system.token();
    let shipped = std::path::Path::new(QUORATE).with_file_name("quorate-custodian");
    assert!(
        shipped.exists(),
        "{} is missing; build it with `cargo build --release -p quorate-custodian`",
        shipped.display()
    );
    // Custodian 4 of the running system is replaced by the shipped binary on its directory.
    let id = system.run_file().processes["custodian-4"];
    system.down();
    assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    let config = system.layout_dir().join("custodian-4/custodian.toml");
    let mut child = Command::new(shipped)
        .args(["run", "--config"])
        .arg(&config)
        .arg("--end-with-stdin")
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // The supervised custodian 4 finds its database in use, says so and is started again until the shipped one ends; the shipped one
    // serves meanwhile.
    system.up(&[]);
    let connected = system.json(&["status"])["custodians"][3].clone();
    assert_eq!(connected["standing"], "voting", "{connected}");
    system.token();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
