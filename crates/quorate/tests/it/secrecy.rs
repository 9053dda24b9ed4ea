//! Where secrets must not be: every byte that a system has written is searched for every secret that it has.

use crate::{
    load::{Load, signal},
    person::Person,
    system::{QUORATE, System},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use quorate::founding::DEMO_APPLICATION;
use quorate_custodian::{files, sealed::SealedShares};
use quorate_protocol::Committee;
use quorate_rules::{client_secret::SecretPart, name::ClientId};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A secret and every spelling under which it could leak.
struct Secret {
    name: String,
    spellings: Vec<Vec<u8>>,
}

impl Secret {
    fn new(name: String, bytes: &[u8]) -> Self {
        let little: Vec<u8> = bytes.iter().rev().copied().collect();
        let mut spellings = vec![bytes.to_vec(), little.clone()];
        for form in [bytes, &little] {
            spellings.push(hex::encode(form).into_bytes());
            spellings.push(hex::encode_upper(form).into_bytes());
            // Base64 without its last, incomplete group: the neighbours decide that one.
            for text in [STANDARD.encode(form), URL_SAFE_NO_PAD.encode(form)] {
                spellings.push(text.as_bytes()[..40].to_vec());
            }
            let list: Vec<String> = form.iter().map(u8::to_string).collect();
            spellings.push(list.join(", ").into_bytes());
        }
        Self { name, spellings }
    }

    fn stands_in(&self, bytes: &[u8]) -> bool {
        self.spellings.iter().any(|spelling| {
            bytes
                .windows(spelling.len())
                .any(|window| window == spelling.as_slice())
        })
    }
}

fn files_below(place: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(place).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, into);
        } else {
            into.push(path);
        }
    }
}

/// Names of the secrets that stand in any of these files.
fn found(secrets: &[Secret], files: &[PathBuf]) -> Vec<String> {
    let mut names = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).unwrap();
        for secret in secrets.iter().filter(|secret| secret.stands_in(&bytes)) {
            names.push(format!("{} in {}", secret.name, file.display()));
        }
    }
    names
}

/// The two secret scalars of a custodian: its shares of the token key and of the log key.
fn scalars(system: &System, number: u16) -> Vec<Secret> {
    let place = system.layout().custodian(number);
    let genesis = std::fs::read(system.layout().genesis()).unwrap();
    let committee = Committee::from_genesis(&genesis).unwrap();
    let seal = files::read_key(&place.join("seal.key")).unwrap();
    let shares = SealedShares::open(
        &place.join("shares"),
        &seal,
        committee.genesis_hash().as_bytes(),
        number,
    )
    .unwrap();
    let opened = shares.read_all().unwrap();
    assert_eq!(opened.len(), 1, "one key generation, one file");
    let (_, bytes) = &opened[0];
    let mut both = minicbor::Decoder::new(bytes);
    assert_eq!(both.map().unwrap(), Some(2));
    ["token", "log"]
        .map(|key| {
            both.u8().unwrap();
            let mut share = minicbor::Decoder::new(both.bytes().unwrap());
            assert_eq!(share.array().unwrap(), Some(3));
            assert_eq!(share.u16().unwrap(), number);
            let secret = share.bytes().unwrap();
            assert_eq!(secret.len(), 32);
            Secret::new(format!("{key} share of custodian {number}"), secret)
        })
        .into_iter()
        .collect()
}

/// Key files of the system and what they hold.
fn keys(system: &System, key_files: &[PathBuf]) -> Vec<Secret> {
    key_files
        .iter()
        .map(|path| {
            let name = path.strip_prefix(system.layout_dir()).unwrap().display().to_string();
            Secret::new(name, &*files::read_key(path).unwrap())
        })
        .collect()
}

#[test]
fn no_share_and_no_key_stands_in_a_log_line_a_database_or_anything_published() {
    let mut system = System::start();
    let load = Load::start(&system, 4, Duration::from_millis(1));
    load.p99_of_next(100);
    // Ends by force and errors write log lines, too.
    for part in ["custodian-1", "gateway"] {
        let id = system.run_file().processes[part];
        assert!(signal(id, Signal::ABORT));
        load.p99_of_next(50);
    }
    load.stop();
    let _ = system.quorate(&["--log-level", "trace", "token", "--client", "nobody"]);
    system.down();

    let mut everything = Vec::new();
    files_below(&system.layout_dir(), &mut everything);
    let is_key = |path: &PathBuf| {
        path.extension()
            .is_some_and(|kind| kind == "key" || kind == "pem" || kind == "jwk")
    };
    let (key_files, written): (Vec<_>, Vec<_>) = everything.into_iter().partition(is_key);
    for name in [
        "custodian.redb",
        "gateway.redb",
        "custodian-1.log",
        "gateway.log",
        "checkpoint",
    ] {
        assert!(
            written.iter().any(|path| path.ends_with(name)),
            "{name} is not searched: {written:?}"
        );
    }
    let raw: Vec<PathBuf> = key_files
        .iter()
        .filter(|path| path.extension().unwrap() == "key")
        .cloned()
        .collect();
    assert!(
        raw.len() >= 13,
        "three keys of four custodians, one of the gateway: {raw:?}"
    );
    let mut secrets: Vec<Secret> = (1..=4).flat_map(|number| scalars(&system, number)).collect();
    assert_eq!(secrets.len(), 8);
    secrets.extend(keys(&system, &raw));
    assert_eq!(found(&secrets, &written), Vec::<String>::new());

    // Control: the same search finds t shares that were written where they must not be, each under another spelling.
    let leak = system.layout_dir().join("logs/leak.log");
    for (secret, spelling) in secrets.iter().step_by(2).take(3).zip([0, 2, 5]) {
        let mut bytes = std::fs::read(&leak).unwrap_or_default();
        bytes.extend_from_slice(b"ERROR share=");
        bytes.extend_from_slice(&secret.spellings[spelling]);
        std::fs::write(&leak, bytes).unwrap();
    }
    let mut written = Vec::new();
    files_below(&system.layout_dir().join("logs"), &mut written);
    assert_eq!(found(&secrets, &written).len(), 3, "the search finds what is there");
}

#[test]
fn no_client_secret_no_part_of_it_and_no_invitation_is_written_by_any_part() {
    let mut system = System::start();
    let person = Person::enrol(&system);
    let secret = person.secret.as_str();
    let signed_in = person.sign_in();
    let (status, _) = person.redeem(&signed_in, Some(&secret[1..]));
    assert_eq!(
        status, 401,
        "a wrong secret is refused, and logged no more than a right one"
    );
    let (status, body) = person.redeem(&signed_in, Some(secret));
    assert_eq!(status, 200, "{body}");
    system.down();

    let issuer = person.page.issuer();
    let client = ClientId::new(DEMO_APPLICATION).unwrap();
    let mut secrets = vec![
        Secret::new("seed of the invitation".to_owned(), &person.seed),
        Secret::new("client secret".to_owned(), &URL_SAFE_NO_PAD.decode(secret).unwrap()),
    ];
    secrets.extend((1..=4).map(|number| {
        let part = minicbor::to_vec(SecretPart::derive(secret, issuer, &client, number)).unwrap();
        Secret::new(format!("part {number} of the client secret"), &part[2..])
    }));
    let mut written = Vec::new();
    files_below(&system.layout_dir(), &mut written);
    let own = [
        system.layout().client_secret(DEMO_APPLICATION),
        system.layout().invitation(),
    ];
    let kept = found(&secrets, &own);
    assert_eq!(
        kept.len(),
        2,
        "the search finds what was kept for the demonstration: {kept:?}"
    );
    written.retain(|path| !own.contains(path));
    assert!(written.iter().any(|path| path.ends_with("gateway.redb")), "{written:?}");
    assert_eq!(found(&secrets, &written), Vec::<String>::new());
}

/// Lets a process write a core dump of any size, as far as this user may.
fn allow_core(id: u32) {
    let pid = Pid::from_raw(i32::try_from(id).unwrap());
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    if prlimit(pid, Resource::Core, unlimited).is_err() {
        let maximum = getrlimit(Resource::Core).maximum;
        let _ = prlimit(
            pid,
            Resource::Core,
            Rlimit {
                current: maximum,
                maximum,
            },
        );
    }
}

#[test]
fn an_aborted_custodian_leaves_no_core() {
    let mut system = System::start();
    system.token();
    system.down();
    let place = tempfile::tempdir().unwrap();
    let mut custodian = Command::new(QUORATE)
        .args(["--log-level", "info", "custodian-of-up", "--end-with-stdin", "--config"])
        .arg(system.layout().custodian(1).join("custodian.toml"))
        .current_dir(place.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(custodian.stderr.take().unwrap()),
        &mut first,
    )
    .unwrap();
    assert!(first.contains("custodian started"), "{first}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", custodian.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(
        core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(),
        ["0", "0"],
        "{core}"
    );
    // Even where somebody lifts the limit, a process that is not dumpable leaves nothing.
    allow_core(custodian.id());
    assert!(signal(custodian.id(), Signal::ABORT));
    let ended = custodian.wait().unwrap();
    assert_eq!(ended.signal(), Some(Signal::ABORT.as_raw()));
    assert!(!ended.core_dumped());
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);

    // Control: a process without these precautions does leave a core, where this machine lets anybody.
    let mut plain = Command::new("sleep")
        .arg("60")
        .current_dir(place.path())
        .spawn()
        .unwrap();
    allow_core(plain.id());
    assert!(signal(plain.id(), Signal::ABORT));
    if !plain.wait().unwrap().core_dumped() {
        println!("left out the control: this machine writes no core of any process");
    }
}
