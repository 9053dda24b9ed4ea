//! The parts as processes: what they write, what they show, and how they begin and end without `up`.

use crate::{
    load::{Target, access_token, now, signal},
    machine_path::exchange,
    system::{QUORATE, System, Turn},
};
use quorate::{
    client_key::ClientKey,
    delay,
    founding::DEMO_CLIENT,
    layout::{Layout, TenantFile},
    tenant,
};
use quorate_rules::TokenAlg;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::task::JoinSet;

/// Longest wait for processes that start or end.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(now() < deadline, "{what} did not come within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The log files of a system, by part.
fn logs(system: &System) -> BTreeMap<String, String> {
    let files = fs::read_dir(system.layout_dir().join("logs")).unwrap();
    files
        .map(|file| {
            let path = file.unwrap().path();
            let part = path.file_stem().unwrap().to_string_lossy().into_owned();
            (part, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Each line as the JSON object that it is.
fn objects(name: &str, text: &str) -> Vec<Value> {
    let line = |line: &str| -> Value {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
        assert!(
            object["timestamp"].is_string() && object["level"].is_string(),
            "{name}: {line}"
        );
        assert!(
            object["target"].is_string() && object["fields"].is_object(),
            "{name}: {line}"
        );
        object
    };
    text.lines().map(line).collect()
}

/// Parts that need not say anything.
const SILENT: [&str; 2] = ["demo", "site"];

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_trace_context_reaches_every_signer_and_every_log_line_is_one_json_object() {
    let mut system = System::prepared();
    system.log_options = vec!["--log", "json", "--log-level", "info,quorate_custodian=debug"];
    system.up(&[]);
    let target = Target::of(&system);
    let (status, body) = target.ask_with(&[("traceparent", TRACE)]).unwrap();
    assert_eq!(status, 200, "{body}");
    // None of these is one, so none is handed on; the token is issued all the same.
    let zeros = "0".repeat(200);
    for wrong in [
        "",
        "x",
        &TRACE[1..],
        &TRACE.to_uppercase(),
        &zeros,
        "00-\u{fc}-\u{fc}-01",
    ] {
        assert_eq!(target.ask_with(&[("traceparent", wrong)]).unwrap().0, 200, "{wrong:?}");
    }
    system.down();

    let logs = logs(&system);
    let parts: Vec<&str> = logs.keys().map(String::as_str).collect();
    assert_eq!(
        parts,
        [
            "custodian-1",
            "custodian-2",
            "custodian-3",
            "custodian-4",
            "demo",
            "gateway",
            "site"
        ]
    );
    let mut signers = 0;
    for (part, text) in &logs {
        let objects = objects(part, text);
        assert!(
            SILENT.contains(&part.as_str()) || !objects.is_empty(),
            "{part} says nothing"
        );
        let traces: Vec<&Value> = objects
            .iter()
            .filter(|object| object["fields"].get("traceparent").is_some())
            .collect();
        if !traces.is_empty() {
            assert!(part.starts_with("custodian"), "{part}");
            assert_eq!(traces.len(), 1, "{part}: {traces:?}");
            let fields = &traces[0]["fields"];
            assert_eq!(
                (&fields["traceparent"], &traces[0]["level"]),
                (&TRACE.into(), &"DEBUG".into())
            );
            assert!(fields["size"].is_u64(), "{fields}");
            signers += 1;
        }
    }
    assert_eq!(signers, 3, "those that were asked to sign, and nobody else");
}

#[test]
fn a_part_that_cannot_go_on_says_so_in_the_form_of_its_other_lines() {
    let place = tempfile::tempdir().unwrap();
    let genesis = place.path().join("missing.cbor");
    let gateway = place.path().join("gateway.toml");
    let text = "name = 'g'\ngenesis = 'missing.cbor'\nlink_key = 'k'\nstore = 's'\npublic = 'p'\nlisten = '127.0.0.1:0'\nlink = '127.0.0.1:0'\n";
    fs::write(&gateway, text).unwrap();
    let custodian = place.path().join("custodian.toml");
    let text = "number = 1\ngenesis = 'missing.cbor'\nidentity_key = 'i'\nenvelope_key = 'e'\nseal_key = 's'\nstore = 'r'\nshares = 'd'\n\
                [[gateway]]\nname = 'g'\naddress = 'localhost:1'\n";
    fs::write(&custodian, text).unwrap();
    let shipped = Path::new(QUORATE).with_file_name("quorate-custodian");
    let run = |form: &str| -> [String; 2] {
        let mut gateway_command = Command::new(QUORATE);
        gateway_command
            .args(["--log", form, "gateway", "--config"])
            .arg(&gateway);
        let mut custodian_command = Command::new(&shipped);
        custodian_command
            .args(["run", "--log", form, "--config"])
            .arg(&custodian);
        [gateway_command, custodian_command].map(|mut command| {
            let output = command.stdin(Stdio::null()).output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert!(output.stdout.is_empty());
            String::from_utf8(output.stderr).unwrap()
        })
    };
    for told in run("json") {
        let lines = objects("the last line", &told);
        let last = lines.last().unwrap_or_else(|| panic!("nothing was said"));
        let message = last["fields"]["message"].as_str().unwrap();
        assert_eq!(last["level"], "ERROR");
        assert!(message.contains(genesis.to_str().unwrap()), "{message}");
    }
    for told in run("text") {
        assert!(
            told.starts_with("quorate") && told.contains(genesis.to_str().unwrap()),
            "{told}"
        );
    }
}

#[test]
fn at_the_usual_level_no_trace_context_is_written() {
    let mut system = System::prepared();
    system.log_options = vec!["--log-level", "info"];
    system.up(&[]);
    assert_eq!(Target::of(&system).ask_with(&[("traceparent", TRACE)]).unwrap().0, 200);
    system.down();
    for (part, text) in logs(&system) {
        assert!(!text.contains(TRACE), "{part}");
        assert!(
            SILENT.contains(&part.as_str()) || text.contains(" INFO "),
            "{part} writes text: {text}"
        );
    }
}

#[test]
fn a_resumed_tenant_is_announced_with_its_own_numbers() {
    let mut system = System::prepared();
    system.up(&["--custodians", "5", "--threshold", "4", "--faulty", "2"]);
    let data = system.layout_dir();
    let port = system.issuer.rsplit_once(':').unwrap().1.to_owned();
    system.down();
    let told = told_by_up(&data, &port, &[]);
    assert!(told.starts_with("resuming the tenant"), "{told}");
    assert!(
        told.contains(
            "custodians 5   sign 4   forging needs 4   may be absent 1   log cannot fork with up to 2 malicious"
        ),
        "{told}"
    );
}

#[test]
fn keys_that_take_seconds_to_make_show_their_progress() {
    let system = System::prepared();
    let port = quorate::bench::free_ports().unwrap().to_string();
    let told = told_by_up(&system.layout_dir(), &port, &["--alg", "ES256"]);
    for done in [2, 3] {
        let line = format!("making keys that nobody will ever hold whole: {done} of 3 rounds done");
        assert!(told.contains(&line), "{told}");
    }
}

/// What `up` prints for people until it is ready; then it is stopped.
fn told_by_up(data: &Path, port: &str, options: &[&str]) -> String {
    let mut up = Command::new(QUORATE)
        .args(["up", "--end-with-stdin", "--port", port, "--data-dir"])
        .arg(data)
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told: Vec<String> = lines.by_ref().take_while(|line| !line.starts_with("stop ")).collect();
    drop(up.stdin.take());
    assert_eq!(lines.last().as_deref(), Some("stopping"));
    assert!(up.wait().unwrap().success());
    told.join("\n")
}

/// A tenant whose files somebody wrote by hand, each part in a place of its own, and whose parts somebody starts.
struct ByHand {
    issuer: String,
    gateway: String,
    metrics: String,
    place: tempfile::TempDir,
    running: BTreeMap<String, Child>,
    _runtime: tokio::runtime::Runtime,
    _proxies: JoinSet<()>,
    _turn: Turn,
}

/// The four custodians' machines.
const MACHINES: [&str; 4] = ["north", "east", "south", "west"];

impl ByHand {
    /// Writes everything; starts nothing. Every custodian's link is delayed by this much each way.
    fn written(one_way: Duration) -> Self {
        let _turn = Turn::take();
        let place = tempfile::tempdir().unwrap();
        let port = quorate::bench::free_ports().unwrap();
        let at = |offset: u16| format!("127.0.0.1:{}", port + offset);
        let tenant = TenantFile {
            issuer: format!("http://localhost:{port}"),
            gateway: format!("http://{}", at(1)),
            port,
            custodians: 4,
            threshold: 3,
            faulty: 1,
            token_alg: TokenAlg::EdDsa,
            demo: true,
        };
        let office = Layout::new(&place.path().join("office"));
        tenant::make(&office, &tenant).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut proxies = JoinSet::new();
        for (number, machine) in (1..).zip(MACHINES) {
            let link = if one_way.is_zero() {
                port + 2
            } else {
                runtime.block_on(delay::start(port + 2, one_way, &mut proxies)).unwrap()
            };
            write_custodian(&office, &place.path().join(machine), number, link, &at(3));
        }
        write_gateway(&office, &place.path().join("edge"), &at(1), &at(2));
        Self {
            issuer: tenant.issuer,
            gateway: tenant.gateway,
            metrics: format!("http://{}", at(3)),
            place,
            running: BTreeMap::new(),
            _runtime: runtime,
            _proxies: proxies,
            _turn,
        }
    }

    /// Everything runs, and the demo's client is registered.
    fn running(one_way: Duration) -> Self {
        let mut hand = Self::written(one_way);
        MACHINES.iter().for_each(|machine| hand.start_custodian(machine));
        hand.start_gateway();
        hand.succeed(&["client", "add", DEMO_CLIENT, "--scope", "a b", "--key-alg", "EdDSA"]);
        hand
    }

    fn spawn(&mut self, name: &str, command: &mut Command) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file(name))
            .unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        assert!(
            self.running.insert(name.to_owned(), child).is_none(),
            "{name} runs already"
        );
    }

    fn start_custodian(&mut self, machine: &str) {
        let shipped = Path::new(QUORATE).with_file_name("quorate-custodian");
        assert!(
            shipped.exists(),
            "{} is missing; build it with `cargo build --release -p quorate-custodian`",
            shipped.display()
        );
        let config = self.place.path().join(machine).join("etc/this-custodian.toml");
        self.spawn(
            machine,
            Command::new(shipped)
                .args(["run", "--log", "json", "--log-level", "debug", "--config"])
                .arg(config),
        );
    }

    /// Starts the gateway and waits until it issues tokens.
    fn start_gateway(&mut self) {
        let config = self.place.path().join("edge/gw.toml");
        let mut command = Command::new(QUORATE);
        command
            .args(["--log", "json", "--log-level", "info", "gateway", "--config"])
            .arg(config);
        self.spawn("edge", &mut command);
        wait_for("readiness", || {
            let ready = exchange(&self.gateway, "GET", "/readyz", &[], "");
            matches!(ready, Ok((200, _))).then_some(())
        });
    }

    /// Exports the issuer site once the log is published, and serves it.
    fn start_site(&mut self) {
        wait_for("the published log", || {
            let (_, status) = exchange(&self.gateway, "GET", "/status", &[], "").ok()?;
            let status: Value = serde_json::from_str(&status).ok()?;
            status["published"].as_u64().filter(|size| *size >= 2)
        });
        let site = self.place.path().join("site");
        self.succeed(&["site", "export", site.to_str().unwrap()]);
        let address = self.issuer.replace("http://localhost", "127.0.0.1");
        let mut command = Command::new(QUORATE);
        command.args(["site", "serve", "--listen", &address, "--dir"]).arg(site);
        self.spawn("site", &mut command);
        wait_for("the site", || exchange(&self.issuer, "GET", "/jwks.json", &[], "").ok());
    }

    fn quorate(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(QUORATE)
            .args(arguments)
            .arg("--data-dir")
            .arg(self.place.path().join("office"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.quorate(arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {told}; {}", self.log("edge"));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn target(&self) -> Target {
        let office = Layout::new(&self.place.path().join("office"));
        let key = ClientKey::read(&office.client_key(DEMO_CLIENT)).unwrap();
        Target::new(&self.gateway, &self.issuer, key)
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.place.path().join(format!("{name}.log"))
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.log_file(name)).unwrap_or_default()
    }

    /// Sends SIGTERM.
    fn tell_to_stop(&self, name: &str) {
        assert!(signal(self.running[name].id(), Signal::TERM));
    }

    /// Waits for the end of a process that was told to stop.
    fn ended(&mut self, name: &str) -> ExitStatus {
        let mut child = self.running.remove(name).unwrap();
        wait_for(&format!("the end of {name}"), || child.try_wait().unwrap())
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Moves what one custodian needs to its own machine and describes it there; nothing is where `up` would have it.
fn write_custodian(office: &Layout, machine: &Path, number: u16, link: u16, metrics: &str) {
    for directory in ["etc", "keys", "var"] {
        fs::create_dir_all(machine.join(directory)).unwrap();
    }
    let from = office.custodian(number);
    for (name, to) in [
        ("genesis.cbor", "etc/tenant"),
        ("identity.key", "keys/identity"),
        ("envelope.key", "keys/envelope"),
        ("seal.key", "keys/seal"),
    ] {
        fs::rename(from.join(name), machine.join(to)).unwrap();
    }
    fs::remove_dir_all(from).unwrap();
    let metrics = if number == 1 {
        format!("metrics = '{metrics}'")
    } else {
        "# no metrics of its own".to_owned()
    };
    let config = format!(
        "# The {machine} machine.\nshares = '../var/shares'\nstore = '../var/log.redb'\n{metrics}\nseal_key = '{}'\n\
         envelope_key = '../keys/envelope'\nidentity_key = '../keys/identity'\ngenesis = 'tenant'\nnumber = {number}\n\n\
         [[gateway]]\naddress = 'localhost:{link}'\nname = '{}'\n",
        machine.join("keys/seal").display(),
        tenant::GATEWAY,
        machine = machine.file_name().unwrap().to_string_lossy(),
    );
    fs::write(machine.join("etc/this-custodian.toml"), config).unwrap();
}

fn write_gateway(office: &Layout, machine: &Path, listen: &str, link: &str) {
    fs::create_dir_all(machine.join("disposable")).unwrap();
    fs::rename(office.gateway().join("link.key"), machine.join("key")).unwrap();
    fs::rename(office.gateway().join("genesis.cbor"), machine.join("tenant")).unwrap();
    fs::remove_dir_all(office.gateway()).unwrap();
    let config = format!(
        "link = '{link}'\nlisten = '{listen}'\npublic = 'disposable/public'\nstore = 'disposable/log.redb'\nlink_key = 'key'\n\
         genesis = 'tenant'\nname = '{}'\n",
        tenant::GATEWAY
    );
    fs::write(machine.join("gw.toml"), config).unwrap();
}

#[test]
fn a_tenant_that_was_set_up_by_hand_issues_tokens_and_ends_cleanly() {
    let mut hand = ByHand::running(Duration::ZERO);
    hand.start_site();
    let token = hand.succeed(&["token", "--client", DEMO_CLIENT]);
    let verified = hand.succeed(&["verify", &token]);
    assert_eq!(
        verified.lines().filter(|line| line.starts_with("ok ")).count(),
        8,
        "{verified}"
    );
    assert!(hand.succeed(&["log", "fsck"]).starts_with("clean: "));

    // One custodian less, and then one more again: neither needs anybody to say so.
    hand.tell_to_stop("west");
    let ended = hand.ended("west");
    assert_eq!(ended.code(), Some(0), "{}", hand.log("west"));
    hand.target().until_token(PATIENCE);
    hand.start_custodian("west");
    wait_for("the vote of west", || {
        let (_, status) = exchange(&hand.gateway, "GET", "/status", &[], "").ok()?;
        let status: Value = serde_json::from_str(&status).ok()?;
        (status["custodians"][3]["standing"] == "voting" && status["custodians"][3]["incarnation"] == 2).then_some(())
    });
    for name in ["edge", "north", "east", "south", "west", "site"] {
        hand.tell_to_stop(name);
        let ended = hand.ended(name);
        assert_eq!(ended.code(), Some(0), "{name}: {}", hand.log(name));
    }
    for name in ["edge", "north", "east", "south", "west"] {
        let lines = objects(name, &hand.log(name));
        assert!(lines.iter().any(|line| {
            line["fields"]["message"]
                .as_str()
                .is_some_and(|m| m.ends_with("started"))
        }));
        let levels: Vec<&str> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
        assert!(!levels.contains(&"ERROR"), "{name}: {}", hand.log(name));
    }
    let stopping = objects("west", &hand.log("west"));
    let count = |what: &str| stopping.iter().filter(|line| line["fields"]["message"] == what).count();
    assert_eq!(count("custodian started"), 2);
    assert_eq!(count("stopping: no new work, what is in flight is ended"), 2);
}

/// Names with their values, of one custodian.
fn figures(text: &str, number: u16) -> BTreeMap<String, u64> {
    let label = format!("{{custodian=\"{number}\"}} ");
    text.lines()
        .filter_map(|line| line.split_once(&label))
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect()
}

#[test]
fn a_custodian_shows_its_own_figures_on_loopback() {
    let hand = ByHand::running(Duration::ZERO);
    let target = hand.target();
    (0..3).for_each(|_| target.until_token(PATIENCE));
    let own = || {
        let (status, text) = exchange(&hand.metrics, "GET", "/metrics", &[], "").unwrap();
        assert_eq!(status, 200);
        assert!(
            text.lines().all(|line| line.starts_with("quorate_custodian_")),
            "{text}"
        );
        figures(&text, 1)
    };
    let names: Vec<String> = own().into_keys().collect();
    let expected = [
        "banned",
        "commits_total",
        "connections_total",
        "fsyncs_total",
        "log_size",
        "refusals_total",
        "view",
        "votes_total",
        "voting",
    ];
    assert_eq!(names, expected.map(|name| format!("quorate_custodian_{name}")));
    // Genesis and keys, the client, three tokens; custodian 1 holds them all, whoever signed.
    let settled = wait_for("the whole log", || {
        let own = own();
        (own["quorate_custodian_log_size"] >= 6).then_some(own)
    });
    assert_eq!(settled["quorate_custodian_voting"], 1);
    assert_eq!(settled["quorate_custodian_connections_total"], 1);
    assert!(settled["quorate_custodian_votes_total"] >= 1 && settled["quorate_custodian_fsyncs_total"] >= 3);
    // The gateway shows the same of it, by way of the link.
    wait_for("the same figures from the gateway", || {
        let (_, text) = exchange(&hand.gateway, "GET", "/metrics", &[], "").unwrap();
        (figures(&text, 1) == own()).then_some(())
    });
    // Whoever connects and says nothing does not keep others away for long.
    let address = hand.metrics.strip_prefix("http://").unwrap();
    let mut silent = std::net::TcpStream::connect(address).unwrap();
    assert_eq!(own().len(), 9);
    let mut told = String::new();
    silent.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 200 OK"), "{told}");
}

#[test]
fn a_gateway_that_is_told_to_stop_answers_what_is_in_flight_and_ends_with_0() {
    // With links this slow a batch takes more than half a second: time enough to be told to stop in its middle.
    let mut hand = ByHand::running(Duration::from_millis(150));
    let target = hand.target();
    target.until_token(PATIENCE);
    let judged = |hand: &ByHand| MACHINES.iter().any(|machine| hand.log(machine).contains(TRACE));
    let (answer, rest) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| target.ask_with(&[("traceparent", TRACE)]));
        // A custodian judges it now; vote, commit and share are still to travel.
        wait_for("the batch in flight", || judged(&hand).then_some(()));
        assert!(!asking.is_finished(), "the batch is not in flight any more");
        hand.tell_to_stop("edge");
        (asking.join().unwrap(), hand.ended("edge"))
    });
    let (status, body) = answer.unwrap_or_else(|error| panic!("the answer was cut: {error}; {}", hand.log("edge")));
    assert_eq!(status, 200, "{body}");
    assert_eq!(rest.code(), Some(0), "{}", hand.log("edge"));
    let address = hand.gateway.strip_prefix("http://").unwrap();
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );

    // What was answered last stands in the log that the next start goes on with.
    hand.start_gateway();
    hand.start_site();
    hand.target().until_token(PATIENCE);
    let verified = hand.succeed(&["verify", &access_token(&body)]);
    assert!(verified.contains("ok      log"), "{verified}");
}
