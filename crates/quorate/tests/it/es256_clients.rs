//! Clients that refuse EdDSA, or any algorithm that they were not told of, against whole systems of both algorithms (`tests/es256`).

use crate::{
    machine_path::exchange,
    person::Person,
    processes::wait_for,
    stock_clients::with_other_signature,
    system::{QUORATE, System, Turn},
};
use quorate::{
    founding::{self, DEMO_APPLICATION},
    layout::{Layout, TenantFile},
    site, tenant,
};
use quorate_rules::TokenAlg;
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where Debian puts them.
const APACHE: &str = "/usr/sbin/apache2";
const MOD_AUTH_OPENIDC: &str = "/usr/lib/apache2/modules/mod_auth_openidc.so";
/// How mod_auth_openidc says that a token is of an algorithm that it does not know.
const CJOSE_REFUSES: &str = "cjose_jws_import failed: invalid argument";

#[test]
fn clients_that_refuse_eddsa_take_es256() {
    let system = System::start_with(&["--alg", "ES256"]);
    let tokens = Tokens::of(&Person::enrol(&system), system.layout_dir());
    let python = run(&["python", "accept", &system.issuer, tokens.file()], &[]);
    expect(
        &python,
        "python",
        &[
            "ok python-jose: takes ES256",
            "ok pyoidc: takes ES256",
            "ok mozilla-django-oidc: takes ES256",
        ],
    );

    let apache = Apache::start(&system);
    if let Some(apache) = &apache {
        assert_eq!(apache.status_for(&tokens.access_token), 200, "{}", apache.errors());
        assert_eq!(apache.status_for(&with_other_signature(&tokens.access_token)), 401);
    }
    let page = apache.as_ref().map(Apache::protected_page).unwrap_or_default();
    let data = system.layout_dir();
    let browser = run(
        &["browser"],
        &[
            ("ISSUER", &system.issuer),
            ("GATEWAY", &system.gateway),
            ("DEMO", &system.demo),
            ("DATA_DIR", data.to_str().expect("UTF-8")),
            ("QUORATE", QUORATE),
            ("APACHE_PAGE", &page),
        ],
    );
    if left_out(&browser, "browser") {
        return;
    }
    expect(&browser, "browser", &["ok openid-client-5-sign-in"]);
    expect(
        &browser,
        "python",
        &["ok pyoidc-sign-in", "ok mozilla-django-oidc-sign-in"],
    );
    if apache.is_some() {
        expect(&browser, "browser", &["ok mod_auth_openidc-sign-in"]);
    }
}

/// What makes the difference is the algorithm: nothing else is different here.
#[test]
fn the_same_clients_refuse_eddsa() {
    let system = System::start_with(&["--alg", "EdDSA"]);
    let tokens = Tokens::of(&Person::enrol(&system), system.layout_dir());
    let python = run(&["python", "refuse", &system.issuer, tokens.file()], &[]);
    expect(
        &python,
        "python",
        &[
            "ok python-jose: refuses EdDSA: ",
            "ok pyoidc: refuses EdDSA: ",
            "ok mozilla-django-oidc: refuses EdDSA: ",
        ],
    );
    if let Some(apache) = Apache::start(&system) {
        assert_eq!(apache.status_for(&tokens.access_token), 401);
        let errors = apache.errors();
        assert!(errors.contains(CJOSE_REFUSES), "refused for something else: {errors}");
    }
}

#[test]
fn a_kubernetes_api_server_takes_es256_and_refuses_eddsa() {
    for (alg, word, last) in [
        (
            TokenAlg::Es256,
            "accept",
            "ok kube-apiserver: takes ES256, as quorate:u-",
        ),
        (TokenAlg::EdDsa, "refuse", "ok kube-apiserver: refuses EdDSA: "),
    ] {
        let tenant = SecureTenant::start(alg);
        let TenantFile { issuer, gateway, .. } = &tenant.file;
        let person = Person::enrol_at(issuer, gateway, &tenant.layout);
        let tokens = Tokens::of(&person, tenant.layout.root().to_owned());
        let go = run(&["go", word, issuer, &tenant.site, tokens.file()], &[]);
        expect(&go, "go", &["ok go-oidc: takes both tokens", last]);
        if left_out(&go, "go") {
            return;
        }
    }
}

/// Runs a part of `tests/es256/run`, which must succeed, and returns what it said.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = Command::new(scripts().join("run"))
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}{complaints}");
    for line in told.lines().filter(|line| line.starts_with("left out ")) {
        println!("{line}");
    }
    told
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/es256")
}

fn left_out(told: &str, part: &str) -> bool {
    told.lines().any(|line| line.starts_with(&format!("left out {part}:")))
}

/// Silence is a failure: each check was made, or it was said why its part was left out.
fn expect(told: &str, part: &str, checks: &[&str]) {
    for check in checks {
        let made = told.lines().any(|line| line.starts_with(check));
        assert!(made || left_out(told, part), "no {check:?} in {told}");
    }
}

/// What the demonstration's application got for its person, without a browser, in a file for the clients' scripts.
struct Tokens {
    access_token: String,
    file: PathBuf,
}

impl Tokens {
    fn of(person: &Person, place: PathBuf) -> Self {
        let (status, body) = person.redeem(&person.sign_in(), Some(&person.secret));
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        let told = json!({
            "client_id": DEMO_APPLICATION,
            "id_token": answer["id_token"],
            "access_token": answer["access_token"],
        });
        let file = place.join("tokens.json");
        fs::write(&file, told.to_string()).expect("a file");
        let access_token = answer["access_token"].as_str().expect("a token").to_owned();
        Self { access_token, file }
    }

    fn file(&self) -> &str {
        self.file.to_str().expect("UTF-8")
    }
}

/// Debian's Apache with mod_auth_openidc as a relying party of a system; it ends with the test.
struct Apache {
    port: u16,
    child: Child,
    place: tempfile::TempDir,
}

impl Drop for Apache {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Apache {
    /// `None` where it is not installed, which it says.
    fn start(system: &System) -> Option<Self> {
        let required = std::env::var_os("APACHE").is_some_and(|value| value == "required");
        if let Some(missing) = [APACHE, MOD_AUTH_OPENIDC].iter().find(|file| !Path::new(file).exists()) {
            assert!(!required, "{missing} is not installed");
            println!("left out apache: {missing} is not installed");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let callback = format!("http://localhost:{port}/protected/callback");
        let told = system.json(&["client", "add", "apache", "--type", "web", "--redirect-uri", &callback]);
        let place = tempfile::tempdir().expect("a temporary directory");
        copy_for_everybody(&scripts().join("apache"), place.path());
        let defined = [
            format!("PLACE {}", place.path().display()),
            format!("PORT {port}"),
            format!("ISSUER {}", system.issuer),
            format!("CLIENT_SECRET {}", told["client_secret"].as_str().expect("a secret")),
        ];
        // One process, which needs no telling to end.
        let child = Command::new(APACHE)
            .args(["-X", "-f"])
            .arg(place.path().join("httpd.conf"))
            .args(
                defined
                    .iter()
                    .flat_map(|what| ["-C".to_owned(), format!("Define {what}")]),
            )
            .stdin(Stdio::null())
            .spawn()
            .expect("Apache starts");
        let mut apache = Self { port, child, place };
        wait_for("Apache", || {
            let ended = apache.child.try_wait().expect("a child");
            assert!(ended.is_none(), "Apache ended with {ended:?}: {}", apache.errors());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(apache)
    }

    /// A page for people who signed in, under the name that the callback has.
    fn protected_page(&self) -> String {
        format!("http://localhost:{}/protected/", self.port)
    }

    /// How it answers who brings this access token; mod_auth_openidc verifies it as it does an ID token.
    fn status_for(&self, token: &str) -> u16 {
        let bearer = format!("Bearer {token}");
        let address = format!("http://localhost:{}", self.port);
        exchange(&address, "GET", "/api/", &[("authorization", &bearer)], "")
            .expect("an answer")
            .0
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.place.path().join("error.log")).unwrap_or_default()
    }
}

/// Copies a directory's files so that whoever Apache becomes may read them, wherever the sources are.
fn copy_for_everybody(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    fs::set_permissions(to, Permissions::from_mode(0o755)).expect("an own directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let (source, target) = entry
            .map(|entry| (entry.path(), to.join(entry.file_name())))
            .expect("an entry");
        if source.is_dir() {
            copy_for_everybody(&source, &target);
        } else {
            fs::copy(&source, &target).expect("a file");
            fs::set_permissions(&target, Permissions::from_mode(0o644)).expect("an own file");
        }
    }
}

/// A tenant whose issuer's address is https, since the Kubernetes API server knows no other. Whoever reads the site speaks TLS in front of
/// it. `up` makes no such tenant, so its parts are started here.
struct SecureTenant {
    file: TenantFile,
    layout: Layout,
    /// The issuer's static files over plain http.
    site: String,
    parts: Vec<Child>,
    _directory: tempfile::TempDir,
    _turn: Turn,
}

impl Drop for SecureTenant {
    fn drop(&mut self) {
        for part in &mut self.parts {
            let _ = part.kill();
            let _ = part.wait();
        }
    }
}

impl SecureTenant {
    fn start(token_alg: TokenAlg) -> Self {
        // The administrator's HTTP client brings no provider of its own.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let _turn = Turn::take();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = quorate::bench::free_ports().expect("four free ports");
        let mut tenant = Self {
            file: TenantFile {
                issuer: format!("https://localhost:{}", port + 3),
                gateway: format!("http://localhost:{}", port + 1),
                port,
                custodians: 4,
                threshold: 3,
                faulty: 1,
                token_alg,
                demo: true,
            },
            layout: Layout::new(&directory.path().join("data")),
            site: format!("http://127.0.0.1:{port}"),
            parts: Vec::new(),
            _directory: directory,
            _turn,
        };
        tenant::make(&tenant.layout, &tenant.file).expect("a tenant");
        tenant::configure(&tenant.layout, &tenant.file, |_| port + 2).expect("configuration files");
        let config = tenant.layout.gateway().join("gateway.toml");
        tenant.spawn(&["gateway", "--config", config.to_str().expect("UTF-8")]);
        for number in 1..=tenant.file.custodians {
            let config = tenant.layout.custodian(number).join("custodian.toml");
            tenant.spawn(&["custodian-of-up", "--config", config.to_str().expect("UTF-8")]);
        }
        tenant.furnish();
        tenant
    }

    fn spawn(&mut self, arguments: &[&str]) {
        let child = Command::new(QUORATE)
            .args(["--log-level", "error"])
            .args(arguments)
            .arg("--end-with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        self.parts.push(child.expect("quorate starts"));
    }

    /// Once tokens can be issued: the demonstration's client and person, and the site.
    fn furnish(&mut self) {
        let gateway = self.file.gateway.clone();
        let ready = || matches!(exchange(&gateway, "GET", "/readyz", &[], ""), Ok((200, _))).then_some(());
        wait_for("readiness", ready);
        let published = || {
            let (_, status) = exchange(&gateway, "GET", "/status", &[], "").ok()?;
            let status: Value = serde_json::from_str(&status).ok()?;
            status["published"].as_u64().filter(|size| *size >= 2)
        };
        wait_for("the published log", published);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let place = self.layout.site();
        runtime.block_on(async {
            let invitation = founding::register(&self.layout, &self.file, &|_| {}).await;
            invitation.expect("decisions").expect("an invitation");
            site::write(&self.layout, &self.file, &place).await.expect("a site");
        });
        let address = self.site.replace("http://", "");
        let place = place.to_str().expect("UTF-8").to_owned();
        self.spawn(&["site", "serve", "--listen", &address, "--dir", &place]);
        wait_for("the site", || exchange(&self.site, "GET", "/jwks.json", &[], "").ok());
    }
}
