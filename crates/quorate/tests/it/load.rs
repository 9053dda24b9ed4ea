//! Load on a running system, what came of it, and the check that everything handed out stands in the log.

use crate::{machine_path::exchange, system::System};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use quorate::{client_key::ClientKey, clock, founding::DEMO_CLIENT};
use quorate_rules::leaf::token_hash;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Everything that came of the requests.
#[derive(Default)]
pub struct Seen {
    pub tokens: Vec<String>,
    /// Time of each answered request.
    pub took: Vec<Duration>,
    pub turned_away: usize,
    pub broken: usize,
}

/// Threads that ask for one token after the other until they are stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    in_flight: Arc<AtomicUsize>,
    seen: Arc<Mutex<Seen>>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(system: &System, threads: usize, pause: Duration) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            in_flight: Arc::default(),
            seen: Arc::default(),
            threads: Vec::new(),
        };
        let target = Arc::new(Target::of(system));
        for _ in 0..threads {
            let (stop, in_flight, seen) = (
                Arc::clone(&load.stop),
                Arc::clone(&load.in_flight),
                Arc::clone(&load.seen),
            );
            let target = Arc::clone(&target);
            load.threads.push(std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let begun = now();
                    in_flight.fetch_add(1, Ordering::SeqCst);
                    let answer = target.ask();
                    in_flight.fetch_sub(1, Ordering::SeqCst);
                    let mut seen = seen.lock().unwrap();
                    match answer {
                        Ok((200, body)) => {
                            seen.took.push(begun.elapsed());
                            seen.tokens.push(access_token(&body));
                        }
                        Ok(_) => seen.turned_away += 1,
                        Err(_) => seen.broken += 1,
                    }
                    drop(seen);
                    std::thread::sleep(pause);
                }
            }));
        }
        load
    }

    /// Requests that wait for their answer at this moment.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub fn tokens(&self) -> usize {
        self.seen.lock().unwrap().tokens.len()
    }

    /// Waits for so many more tokens and returns their slowest hundredth.
    pub fn p99_of_next(&self, count: usize) -> Duration {
        let from = self.tokens();
        let deadline = now() + Duration::from_secs(60);
        while self.tokens() < from + count {
            assert!(now() < deadline, "no {count} tokens within a minute");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut took = self.seen.lock().unwrap().took[from..from + count].to_vec();
        took.sort_unstable();
        took[count * 99 / 100]
    }

    pub fn stop(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        for thread in std::mem::take(&mut self.threads) {
            thread.join().unwrap();
        }
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Where to ask, and as whom.
pub struct Target {
    pub gateway: String,
    issuer: String,
    key: ClientKey,
}

impl Target {
    pub fn of(system: &System) -> Self {
        Self {
            gateway: system.gateway.clone(),
            issuer: system.issuer.clone(),
            key: ClientKey::read(&system.layout().client_key(DEMO_CLIENT)).unwrap(),
        }
    }

    /// As the demo client of a tenant that `up` did not start.
    pub fn new(gateway: &str, issuer: &str, key: ClientKey) -> Self {
        let (gateway, issuer) = (gateway.to_owned(), issuer.to_owned());
        Self { gateway, issuer, key }
    }

    /// Form of a request with a new assertion.
    pub fn form(&self) -> String {
        let assertion = self.key.assertion(DEMO_CLIENT, &self.issuer, clock::now_ms()).unwrap();
        format!(
            "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={assertion}"
        )
    }

    pub fn ask(&self) -> std::io::Result<(u16, String)> {
        self.ask_with(&[])
    }

    /// Asks with further headers.
    pub fn ask_with(&self, headers: &[(&str, &str)]) -> std::io::Result<(u16, String)> {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        exchange(
            &self.gateway,
            "POST",
            "/token",
            &[&form, headers].concat(),
            &self.form(),
        )
    }

    /// Asks until a token comes, at most this long.
    pub fn until_token(&self, within: Duration) {
        let deadline = now() + within;
        loop {
            let answer = self.ask();
            if matches!(answer, Ok((200, _))) {
                return;
            }
            assert!(now() < deadline, "no token within {within:?}: {answer:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

pub fn access_token(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "tests wait for real processes")]
pub fn now() -> Instant {
    Instant::now()
}

pub fn signal(id: u32, signal: Signal) -> bool {
    kill_process(Pid::from_raw(i32::try_from(id).unwrap()).unwrap(), signal).is_ok()
}

/// Stops a process without ending it, and waits until it is stopped.
pub fn hang(id: u32) {
    assert!(signal(id, Signal::STOP));
    let stat = format!("/proc/{id}/stat");
    let deadline = now() + Duration::from_secs(5);
    while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
        assert!(now() < deadline, "it is stopped, not dead");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The log derives its own root, and every one of these tokens stands in it, none twice.
pub fn all_stand_in_the_log(system: &System, tokens: &[String]) {
    if let Some(newest) = tokens.iter().max_by_key(|token| index_of(token)) {
        // Publication runs a moment behind; this waits for it.
        assert_eq!(system.json(&["verify", newest])["valid"], true);
    }
    assert_eq!(system.json(&["log", "fsck"])["clean"], true);
    let listed = system.json(&["log", "list", "--limit", "100000000"]);
    let leaves: BTreeSet<&str> = listed["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["type"] == "token")
        .map(|entry| entry["token_hash"].as_str().unwrap())
        .collect();
    let distinct: BTreeSet<&String> = tokens.iter().collect();
    assert_eq!(distinct.len(), tokens.len(), "no token was handed out twice");
    for token in tokens {
        let (signing_input, _) = token.rsplit_once('.').unwrap();
        let hash = STANDARD.encode(token_hash(signing_input.as_bytes()).as_bytes());
        assert!(leaves.contains(hash.as_str()), "{token} does not stand in the log");
    }
}

/// Index of a token's leaf, from its own claim.
fn index_of(token: &str) -> u64 {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let (_, index) = claims["tlx"].as_str().unwrap().split_once('/').unwrap();
    index.parse().unwrap()
}
