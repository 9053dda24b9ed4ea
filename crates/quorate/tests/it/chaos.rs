//! Faults under load: what was acknowledged stays, what is signed is logged, and service returns by itself.

use crate::{machine_path::exchange, system::System};
use quorate::{client_key::ClientKey, clock, up::DEMO_CLIENT};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a load thread has seen.
#[derive(Default)]
struct Seen {
    tokens: Vec<String>,
    turned_away: usize,
    broken: usize,
}

fn try_request(system: &System, key: &ClientKey) -> std::io::Result<(u16, String)> {
    let assertion = key.assertion(DEMO_CLIENT, &system.issuer, clock::now_ms()).unwrap();
    let body = format!(
        "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={assertion}"
    );
    exchange(
        &system.gateway,
        "POST",
        "/token",
        &[("content-type", "application/x-www-form-urlencoded")],
        &body,
    )
}

fn request(system: &System, key: &ClientKey) -> (u16, String) {
    try_request(system, key).unwrap()
}

fn demo_key(system: &System) -> ClientKey {
    ClientKey::read(&system.layout().client_key(DEMO_CLIENT)).unwrap()
}

fn signal(id: u32, signal: Signal) -> bool {
    kill_process(Pid::from_raw(i32::try_from(id).unwrap()).unwrap(), signal).is_ok()
}

#[expect(clippy::disallowed_methods, reason = "tests wait for real processes")]
fn now() -> Instant {
    Instant::now()
}

/// Asks until a token comes, at most this long.
fn until_token(system: &System, within: Duration) {
    let key = demo_key(system);
    let deadline = now() + within;
    loop {
        let answer = try_request(system, &key);
        if matches!(answer, Ok((200, _))) {
            return;
        }
        assert!(now() < deadline, "no token within {within:?}: {answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn one_custodian_down_or_hung_and_tokens_go_on() {
    let system = System::start();
    let key = demo_key(&system);
    let id = system.run_file().processes["custodian-2"];
    assert!(signal(id, Signal::STOP));
    let stopped = || {
        std::fs::read_to_string(format!("/proc/{id}/stat"))
            .unwrap()
            .contains(") T ")
    };
    let deadline = now() + Duration::from_secs(5);
    while !stopped() {
        assert!(now() < deadline, "it is stopped, not dead");
        std::thread::sleep(Duration::from_millis(5));
    }
    until_token(&system, Duration::from_secs(10));
    for _ in 0..5 {
        assert_eq!(request(&system, &key).0, 200);
    }
    assert!(signal(id, Signal::CONT));
    assert!(signal(id, Signal::KILL));
    until_token(&system, Duration::from_secs(10));
    for _ in 0..5 {
        assert_eq!(request(&system, &key).0, 200);
    }
    assert_eq!(system.json(&["log", "fsck"])["clean"], true);
}

#[test]
fn too_few_custodians_is_said_clearly_and_heals_by_itself() {
    let system = System::start();
    let key = demo_key(&system);
    let processes = system.run_file().processes;
    let stopped = ["custodian-1", "custodian-2"].map(|name| processes[name]);
    for id in stopped {
        assert!(signal(id, Signal::STOP));
    }
    let (status, body) = (0..20)
        .map(|_| request(&system, &key))
        .find(|(status, _)| *status == 503)
        .expect("a 503");
    assert_eq!(status, 503);
    assert!(body.contains("temporarily_unavailable"), "{body}");
    assert!(signal(stopped[0], Signal::CONT));
    until_token(&system, Duration::from_secs(20));
    assert!(signal(stopped[1], Signal::CONT));
    assert_eq!(system.json(&["log", "fsck"])["clean"], true);
}

#[test]
fn a_fresh_gateway_rebuilds_from_the_custodians() {
    let mut system = System::start();
    let before = system.token();
    system.down();
    let place = system.layout_dir().join("gateway");
    for name in ["gateway.redb", "public"] {
        let path = place.join(name);
        assert!(path.exists());
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap()
        } else {
            std::fs::remove_file(path).unwrap()
        }
    }
    system.up(&[]);
    let after = system.token();
    for token in [before, after] {
        assert_eq!(system.json(&["verify", &token])["valid"], true);
    }
    assert_eq!(system.json(&["log", "fsck"])["clean"], true);
}

#[test]
fn a_first_start_that_is_killed_in_its_key_generation_starts_again() {
    let mut killed_early = 0;
    for wait_ms in [150, 400, 700] {
        let mut system = System::prepared();
        let mut child = system.spawn(&[]);
        std::thread::sleep(Duration::from_millis(wait_ms));
        let was_ready = system.layout_dir().join("site/jwks.json").exists();
        killed_early += usize::from(!was_ready);
        child.kill().unwrap();
        child.wait().unwrap();
        system.up(&[]);
        let token = system.token();
        assert_eq!(system.json(&["verify", &token])["valid"], true);
    }
    assert!(killed_early > 0, "no start was killed before it was ready");
}

/// kill -9 of any process under load, again and again: no token without its leaf, no leaf lost.
#[test]
fn random_kills_under_load_lose_nothing() {
    const KILLS: usize = 300;
    let system = Arc::new(System::start());
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(Mutex::new(Seen::default()));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (system, stop, seen) = (Arc::clone(&system), Arc::clone(&stop), Arc::clone(&seen));
            std::thread::spawn(move || {
                let key = demo_key(&system);
                while !stop.load(Ordering::Relaxed) {
                    let answer = try_request(&system, &key);
                    let mut seen = seen.lock().unwrap();
                    match answer {
                        Ok((200, body)) => {
                            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
                            seen.tokens.push(body["access_token"].as_str().unwrap().to_owned());
                        }
                        Ok(_) => seen.turned_away += 1,
                        Err(_) => seen.broken += 1,
                    }
                    drop(seen);
                    std::thread::sleep(Duration::from_millis(2));
                }
            })
        })
        .collect();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut hit = 0;
    let names = ["custodian-1", "custodian-2", "custodian-3", "custodian-4", "gateway"];
    for _ in 0..KILLS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let name = names[usize::try_from(state % 5).unwrap()];
        if let Some(id) = system
            .layout()
            .running()
            .unwrap()
            .and_then(|run| run.processes.get(name).copied())
        {
            hit += usize::from(signal(id, Signal::KILL));
        }
        std::thread::sleep(Duration::from_millis(150 + state % 250));
    }
    stop.store(true, Ordering::Relaxed);
    for thread in load {
        thread.join().unwrap();
    }
    assert!(hit > KILLS / 2, "only {hit} kills hit a process");
    until_token(&system, Duration::from_secs(30));
    let seen = seen.lock().unwrap();
    println!(
        "{hit} kills, {} tokens, {} turned away, {} connections broken",
        seen.tokens.len(),
        seen.turned_away,
        seen.broken
    );
    assert!(seen.tokens.len() > 100, "too little load to mean anything");
    assert!(seen.broken + seen.turned_away > 10, "the kills hit no batch in flight");
    assert_eq!(system.json(&["log", "fsck"])["clean"], true);
    let indices: BTreeSet<&str> = seen.tokens.iter().map(String::as_str).collect();
    assert_eq!(indices.len(), seen.tokens.len());
    // Every token that was handed out stands in the log: the newest, the oldest and a sample between.
    let step = (seen.tokens.len() / 40).max(1);
    for token in seen.tokens.iter().step_by(step).chain(seen.tokens.last()) {
        let told = system.json(&["verify", token]);
        assert_eq!(told["valid"], true, "{told}");
    }
}
