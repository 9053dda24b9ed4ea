//! Faults of one machine: its disk is full, its clock is wrong, it is there twice, it is asked for too much.

use crate::{
    load::{Load, Target, access_token, all_stand_in_the_log, hang, now, signal},
    system::{QUORATE, System},
};
use bytes::Bytes;
use quorate_gateway::custodians::{ANSWER, Custodians, accept};
use quorate_protocol::{
    Committee, View,
    message::{EnterView, Hello, SignedNewView, Status, path},
};
use quorate_rules::cbor::Canonical;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn log_of(system: &System, part: &str) -> String {
    std::fs::read_to_string(system.layout_dir().join(format!("logs/{part}.log"))).unwrap()
}

fn custodian(system: &System, number: usize) -> serde_json::Value {
    system.json(&["status"])["custodians"][number - 1].clone()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = now() + Duration::from_secs(30);
    while !holds() {
        assert!(now() < deadline, "{what} did not happen within 30 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// From now on the process cannot write beyond this offset of any file, as if its disk were full there.
fn fill_disk(id: u32) {
    let pid = Pid::from_raw(i32::try_from(id).unwrap());
    let limit = Rlimit {
        current: Some(40 * 1024),
        maximum: None,
    };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}

#[test]
fn a_full_disk_stops_one_process_in_words_and_loses_nothing() {
    let system = System::start();
    for part in ["custodian-2", "gateway"] {
        let id = system.run_file().processes[part];
        assert!(!log_of(&system, part).contains("is full"));
        let load = Load::start(&system, 4, Duration::ZERO);
        fill_disk(id);
        wait_until("the full disk", || {
            log_of(&system, part).contains("is full; free space")
        });
        // It is started again without the limit, as after somebody made room.
        wait_until("the restart", || system.run_file().processes[part] != id);
        Target::of(&system).until_token(Duration::from_secs(20));
        wait_until("its vote", || custodian(&system, 2)["standing"] == "voting");
        // The load goes on, however soon after it began the disk was full.
        load.p99_of_next(10);
        let seen = load.stop();
        all_stand_in_the_log(&system, &seen.tokens);
    }
}

/// The library that gives a process another clock.
fn faketime() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib").unwrap().flatten().find_map(|place| {
        let library = place.path().join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    });
    found.expect("missing: Debian's package libfaketime; scripts/test installs it")
}

/// Custodian 4 on its own directory, with a clock of its own. Started before the others, it has its database; the one that `up` would
/// start finds it in use and waits.
fn custodian_with_clock(system: &System, offset: &str) -> std::process::Child {
    Command::new(QUORATE)
        .args(["custodian-of-up", "--end-with-stdin", "--config"])
        .arg(system.layout().custodian(4).join("custodian.toml"))
        .env("LD_PRELOAD", faketime())
        .env("FAKETIME", offset)
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_DISABLE_SHM", "1")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_custodian_whose_clock_is_off_by_an_hour_refuses_in_words_and_the_others_go_on() {
    let mut system = System::start();
    for (offset, refusal) in [("+3600s", "time_behind"), ("-3600s", "time_ahead")] {
        system.down();
        let mut fourth = custodian_with_clock(&system, offset);
        system.up(&[]);
        let target = Target::of(&system);
        target.until_token(Duration::from_secs(10));
        // Without the first, the fourth would be needed; it refuses, and everybody can read why.
        let first = system.run_file().processes["custodian-1"];
        hang(first);
        wait_until("its refusal", || {
            let answer = target.ask().unwrap();
            assert_ne!(
                answer.0, 200,
                "signed with a clock that is off by an hour: {}",
                answer.1
            );
            custodian(&system, 4)["refused"] == refusal
        });
        let told = system.succeed(&["status"]);
        assert!(
            told.contains("clock and the gateway's differ by more than 30 s"),
            "{told}"
        );
        assert!(signal(first, Signal::CONT));
        target.until_token(Duration::from_secs(20));
        drop(fourth.stdin.take());
        let ended = fourth.wait_with_output().unwrap();
        assert!(ended.status.success());
        assert!(String::from_utf8_lossy(&ended.stderr).contains(refusal));
    }
    // With the clock set right the same custodian, on the same directory, signs.
    wait_until("custodian 4", || custodian(&system, 4)["standing"] == "voting");
    let first = system.run_file().processes["custodian-1"];
    hang(first);
    Target::of(&system).until_token(Duration::from_secs(20));
    assert!(signal(first, Signal::CONT));
    assert_eq!(system.json(&["log", "fsck"])["clean"], true);
}

#[test]
fn a_second_gateway_on_the_same_directory_is_told_so_and_ends() {
    let system = System::start();
    let config = system.layout_dir().join("gateway/gateway.toml");
    let second = Command::new(QUORATE)
        .args(["gateway", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert!(told.contains("is in use by another process"), "{told}");
    system.token();
}

#[test]
fn two_gateways_at_once_depose_each_other_and_lose_nothing() {
    let system = System::start();
    let ports = quorate::bench::free_ports().unwrap();
    let data = system.layout_dir();
    let text = std::fs::read_to_string(data.join("gateway/gateway.toml")).unwrap();
    let mut config: toml::Table = toml::from_str(&text).unwrap();
    let second = data.join("gateway-b");
    std::fs::create_dir(&second).unwrap();
    for (key, value) in [
        ("listen", format!("127.0.0.1:{ports}")),
        ("link", format!("127.0.0.1:{}", ports + 1)),
        ("store", second.join("gateway.redb").display().to_string()),
        ("public", second.join("public").display().to_string()),
    ] {
        assert!(
            config.insert(key.to_owned(), value.into()).is_some(),
            "{key} is no key of {text}"
        );
    }
    let second_config = data.join("gateway/second.toml");
    std::fs::write(&second_config, toml::to_string(&config).unwrap()).unwrap();
    for number in 1..=4 {
        let path = data.join(format!("custodian-{number}/custodian.toml"));
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str(&format!(
            "\n[[gateway]]\nname = \"gateway-1\"\naddress = \"127.0.0.1:{}\"\n",
            ports + 1
        ));
        std::fs::write(&path, text).unwrap();
        // Started again by `up`, it dials both.
        let name = format!("custodian-{number}");
        let id = system.run_file().processes[&name];
        assert!(signal(id, Signal::KILL));
        wait_until("the restart", || system.run_file().processes[&name] != id);
    }
    let mut other = Command::new(QUORATE)
        .args(["gateway", "--end-with-stdin", "--config"])
        .arg(&second_config)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut targets = [Target::of(&system), Target::of(&system)];
    targets[1].gateway = format!("http://127.0.0.1:{ports}");
    let mut tokens = Vec::new();
    for target in &targets {
        wait_until("the gateway's port", || target.ask().is_ok());
    }
    let mut views = BTreeSet::new();
    for round in 0..8 {
        let target = &targets[round % 2];
        wait_until("a token", || {
            let answer = target.ask().unwrap();
            tokens.extend((answer.0 == 200).then(|| access_token(&answer.1)));
            answer.0 == 200
        });
        let (_, status) = crate::machine_path::exchange(&target.gateway, "GET", "/status", &[], "").unwrap();
        views.insert(serde_json::from_str::<serde_json::Value>(&status).unwrap()["view"].as_u64());
    }
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
    assert!(views.len() >= 3, "they never deposed each other: {views:?}");
    Target::of(&system).until_token(Duration::from_secs(20));
    all_stand_in_the_log(&system, &tokens);
}

/// What came of one request under overload.
#[derive(Debug, Default)]
struct Burst {
    tokens: Vec<String>,
    turned_away: usize,
}

async fn post(target: &Target, form: String) -> (u16, String) {
    let address = target.gateway.strip_prefix("http://").unwrap();
    let mut stream = loop {
        match tokio::net::TcpStream::connect(address).await {
            Ok(stream) => break stream,
            // The kernel's own queue of new connections is full for a moment.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let request = format!(
        "POST /token HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (
        status.unwrap_or_else(|| panic!("a connection ended without an answer: {answer:?}")),
        answer,
    )
}

async fn burst(target: &std::sync::Arc<Target>, count: usize) -> Burst {
    let forms: Vec<String> = (0..count).map(|_| target.form()).collect();
    let mut asking = tokio::task::JoinSet::new();
    for form in forms {
        let target = std::sync::Arc::clone(target);
        asking.spawn(async move { post(&target, form).await });
    }
    let mut outcome = Burst::default();
    while let Some(answer) = asking.join_next().await {
        let (status, answer) = answer.unwrap();
        match status {
            200 => outcome
                .tokens
                .push(access_token(answer.split_once("\r\n\r\n").unwrap().1)),
            503 => {
                assert!(answer.to_ascii_lowercase().contains("\r\nretry-after: "), "{answer}");
                assert!(answer.contains("temporarily_unavailable"), "{answer}");
                outcome.turned_away += 1;
            }
            other => panic!("{other}: {answer}"),
        }
    }
    outcome
}

fn resident_kib(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn ten_times_too_much_is_turned_away_with_retry_after_and_memory_stays_flat() {
    let system = System::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let target = std::sync::Arc::new(Target::of(&system));
    // As much as it can do in a second; then ten times that at once, again and again.
    let load = Load::start(&system, 32, Duration::ZERO);
    load.p99_of_next(100);
    let (before, begun) = (load.tokens(), now());
    std::thread::sleep(Duration::from_secs(2));
    let per_second = (load.tokens() - before) as f64 / begun.elapsed().as_secs_f64();
    let mut tokens = load.stop().tokens;
    let count = ((per_second * 10.0) as usize).clamp(3_000, 4_000);
    let gateway = system.run_file().processes["gateway"];
    let mut resident = Vec::new();
    let mut turned_away = 0;
    for _ in 0..8 {
        let outcome = runtime.block_on(burst(&target, count));
        assert_eq!(
            outcome.tokens.len() + outcome.turned_away,
            count,
            "a request got no answer"
        );
        turned_away += outcome.turned_away;
        tokens.extend(outcome.tokens);
        resident.push(resident_kib(gateway));
    }
    println!("{per_second:.0} tokens/s, bursts of {count}, {turned_away} turned away, resident {resident:?} KiB");
    assert!(turned_away > 0, "it was never too much");
    // The allocator keeps what the first bursts needed; from then on a burst adds nothing to speak of.
    assert!(
        resident[7] < resident[4] * 5 / 4,
        "memory grows with every burst: {resident:?} KiB"
    );
    assert_eq!(
        system.run_file().processes["gateway"],
        gateway,
        "the gateway ended under load"
    );
    target.until_token(Duration::from_secs(10));
    all_stand_in_the_log(&system, &tokens);
}

/// A link of the enrolled gateway's key to one custodian, besides the running gateway's.
struct SecondLink {
    runtime: tokio::runtime::Runtime,
    custodians: Arc<Custodians>,
    committee: Committee,
}

impl SecondLink {
    fn to(system: &System, number: u16) -> Self {
        let layout = system.layout();
        let committee = Committee::from_genesis(&std::fs::read(layout.genesis()).unwrap()).unwrap();
        let key = quorate_custodian::files::read_key(&layout.gateway().join("link.key")).unwrap();
        let key = ed25519_dalek::SigningKey::from_bytes(&key);
        let custodians = Custodians::new(committee.clone());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = Arc::clone(&custodians);
        runtime.spawn(async move {
            let (on_link, _links) = tokio::sync::mpsc::unbounded_channel();
            accept(listener, key, accepting, on_link).await
        });
        let path = layout.custodian(number).join("custodian.toml");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str(&format!(
            "\n[[gateway]]\nname = \"gateway-1\"\naddress = \"127.0.0.1:{port}\"\n"
        ));
        std::fs::write(&path, text).unwrap();
        let name = format!("custodian-{number}");
        let id = system.run_file().processes[&name];
        assert!(signal(id, Signal::KILL));
        wait_until("the second link", || custodians.linked().contains(&number));
        Self {
            runtime,
            custodians,
            committee,
        }
    }

    /// Leads the custodian into a view of its own, in which it refuses what the running gateway proposes.
    fn lead_away(&self, number: u16) {
        let ask = async {
            let origin = self.committee.origin().to_owned();
            let hello = Bytes::from(Hello { origin: origin.clone() }.to_canonical());
            let status: Status = self.custodians.ask(number, path::HELLO, hello, ANSWER).await?;
            let view = View(status.view.0 + 1);
            let enter = Bytes::from(EnterView { origin, view }.to_canonical());
            self.custodians
                .ask::<SignedNewView>(number, path::NEW_VIEW, enter, ANSWER)
                .await
        };
        // The running gateway may have entered that view in between: then it is tried again.
        drop(self.runtime.block_on(ask));
    }
}

#[test]
fn one_custodian_that_refuses_the_view_turns_nobody_away() {
    let system = System::start();
    let link = SecondLink::to(&system, 1);
    wait_until("its vote", || custodian(&system, 1)["standing"] == "voting");
    let contested = || log_of(&system, "gateway").matches("the view is contested").count();
    let before = contested();
    let load = Load::start(&system, 4, Duration::ZERO);
    load.p99_of_next(100);
    wait_until("a contested view", || {
        link.lead_away(1);
        contested() > before
    });
    load.p99_of_next(100);
    let seen = load.stop();
    assert_eq!((seen.turned_away, seen.broken), (0, 0), "nobody was told to come back");
    all_stand_in_the_log(&system, &seen.tokens);
}
