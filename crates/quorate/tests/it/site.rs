//! The exported issuer site on a static host: Debian's nginx with the configuration that `quorate site export` writes.

use crate::system::System;
use openidconnect::reqwest as http;
use quorate::site::pages;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

/// Where Debian puts it.
const NGINX: &str = "/usr/sbin/nginx";

/// A static host that ends with the test.
struct StaticHost {
    url: String,
    child: Child,
    /// What it still has to say: nginx ends when its last words of the start meet a closed pipe.
    _told: BufReader<ChildStderr>,
}

impl Drop for StaticHost {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl StaticHost {
    /// nginx with one server, which includes the written configuration and nothing else.
    fn start(directory: &Path, snippet: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let place = directory.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {place}/{name};\n"))
            .concat();
        let configuration = format!(
            "daemon off;\nmaster_process off;\npid {place}/pid;\nerror_log stderr notice;\nevents {{}}\nhttp {{\naccess_log off;\n\
             {temporary}server {{\nlisten 127.0.0.1:{port};\ninclude {snippet};\n}}\n}}\n"
        );
        let file = directory.join("nginx.conf");
        fs::write(&file, configuration).expect("a file");
        let mut child = Command::new(NGINX)
            .arg("-p")
            .arg(directory)
            .args(["-e", "stderr", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nginx starts");
        // It says how it waits for events once it listens.
        let mut told = BufReader::new(child.stderr.take().expect("piped"));
        let mut said = String::new();
        let listens = told.by_ref().lines().map_while(Result::ok).any(|line| {
            said.push_str(&line);
            said.push('\n');
            line.contains("event method")
        });
        let host = Self {
            url: format!("http://127.0.0.1:{port}"),
            child,
            _told: told,
        };
        assert!(listens, "nginx does not take the configuration:\n{said}");
        host
    }
}

#[test]
fn nginx_serves_the_exported_site_as_the_own_server_does() {
    let required = std::env::var_os("NGINX").is_some_and(|value| value == "required");
    if !Path::new(NGINX).exists() {
        assert!(!required, "{NGINX} is not installed");
        println!("left out nginx: {NGINX} is not installed");
        return;
    }
    let system = System::start();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let site = directory.path().join("site");
    let told = system.json(&["site", "export", site.to_str().expect("UTF-8")]);
    let host = StaticHost::start(directory.path(), told["nginx"].as_str().expect("a path"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let client = http::Client::builder()
            .redirect(http::redirect::Policy::none())
            .build()
            .expect("a client");
        for (path, kind) in [
            ("/", "text/html"),
            ("/authorize", "text/html"),
            ("/enrol", "text/html"),
            ("/account", "text/html"),
            ("/logout", "text/html"),
            ("/js/authorize.js", "text/javascript"),
            ("/style.css", "text/css"),
            ("/icon.svg", "image/svg+xml"),
            ("/jwks.json", "application/json"),
            ("/.well-known/openid-configuration", "application/json"),
            ("/.well-known/oauth-authorization-server", "application/json"),
            ("/.well-known/quorate/tlog-policy", "text/plain"),
        ] {
            let own = client
                .get(format!("{}{path}", system.issuer))
                .send()
                .await
                .expect("an answer");
            let other = client
                .get(format!("{}{path}", host.url))
                .send()
                .await
                .expect("an answer");
            assert_eq!((own.status().as_u16(), other.status().as_u16()), (200, 200), "{path}");
            for answer in [&own, &other] {
                let headers = answer.headers();
                assert_eq!(essence(headers), kind, "{path}");
                for (name, value) in pages::HEADERS {
                    assert_eq!(
                        headers.get(name).and_then(|found| found.to_str().ok()),
                        Some(value),
                        "{path} {name}"
                    );
                }
                assert_eq!(headers.get("cache-control").expect("a header"), "no-cache", "{path}");
            }
            if kind == "text/html" {
                let policy = |answer: &http::Response| answer.headers().get("content-security-policy").cloned();
                assert_eq!(policy(&own), policy(&other), "{path}");
                let policy = policy(&other).expect("a policy");
                let policy = policy.to_str().expect("text");
                assert!(
                    policy.contains(&system.gateway) && policy.contains("frame-ancestors 'none'"),
                    "{policy}"
                );
            }
            assert!(other.headers().contains_key("strict-transport-security"), "{path}");
            assert_eq!(
                own.bytes().await.expect("a body"),
                other.bytes().await.expect("a body"),
                "{path}"
            );
        }
        let status = async |method: &str, url: String| {
            let method = http::Method::from_bytes(method.as_bytes()).expect("a method");
            let request = client
                .request(method, url)
                .body("response_type=code&client_id=demo-app");
            request.send().await.expect("an answer").status().as_u16()
        };
        // A stated deviation: a static host takes authorization requests by GET alone; the own server redirects them.
        assert_eq!(status("POST", format!("{}/authorize", host.url)).await, 405);
        assert_eq!(status("POST", format!("{}/authorize", system.issuer)).await, 303);
        for url in [&host.url, &system.issuer] {
            assert_eq!(status("PUT", format!("{url}/jwks.json")).await, 405);
            for nothing in [
                "/nothing",
                "/.well-known/",
                "/js/",
                "/authorize/x",
                "/../tenant.json",
                "/%2e%2e/tenant.json",
            ] {
                let found = status("GET", format!("{url}{nothing}")).await;
                assert!(found == 404 || found == 400 || found == 403, "{url}{nothing}: {found}");
            }
        }
    });
}

/// The media type without its parameters.
fn essence(headers: &http::header::HeaderMap) -> &str {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok());
    kind.and_then(|kind| kind.split(';').next()).unwrap_or_default()
}
