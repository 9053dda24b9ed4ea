//! `quorate up`: a whole tenant on one machine. It writes the files that anybody could write, and starts the processes that anybody
//! could start.

use crate::{
    clock, delay, founding,
    layout::{Layout, RunFile, TenantFile},
    public, site,
    supervise::{self, Part, Parts},
    tenant,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use quorate_rules::{QuorumRule, TokenAlg};
use quorate_store::file;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::JoinSet;

/// Longest wait for a system that starts.
const START: Duration = Duration::from_secs(60);
/// How often children are looked after.
const WATCH: Duration = Duration::from_millis(50);

/// Arguments.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Data directory; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "quorate-data")]
    data_dir: PathBuf,
    /// Base port P: the issuer site listens on P, the gateway on P+1, the custodian link on P+2; P+3 is kept for the demo. It stands in
    /// the issuer, which never changes.
    #[arg(long, value_name = "P", default_value_t = 8410)]
    port: u16,
    /// Custodians of a new tenant, n.
    #[arg(long, value_name = "N", default_value_t = 4)]
    custodians: u16,
    /// Custodians of a new tenant that it takes to sign, t; 2t > n + f, or else it is refused.
    #[arg(long, value_name = "T", default_value_t = 3)]
    threshold: u16,
    /// Custodians of a new tenant that may be malicious without harm, f.
    #[arg(long, value_name = "F", default_value_t = 1)]
    faulty: u16,
    /// Algorithm that tokens of a new tenant are signed with, EdDSA where left out. An issuer has one algorithm and keeps it;
    /// docs/OPERATING.md says which clients refuse EdDSA.
    #[arg(long, value_name = "EdDSA|ES256")]
    alg: Option<TokenAlg>,
    /// Print one JSON line when ready.
    #[arg(long)]
    json: bool,
    /// End when standard input closes.
    #[arg(long, hide = true)]
    end_with_stdin: bool,
    /// Delay every custodian link by this many milliseconds each way.
    #[arg(long, hide = true, default_value_t = 0)]
    link_delay: u64,
}

/// Runs the command.
pub async fn run(args: UpArgs, log_level: &str, log: &str) -> Result<ExitCode> {
    let layout = Layout::new(&args.data_dir);
    let (tenant, new) = open_or_make(&layout, &args)?;
    // A tenant that is there already has its own numbers, whatever a new one would get.
    let rule = QuorumRule::new(tenant.custodians, tenant.threshold, tenant.faulty)?;
    let mut stop = supervise::stop_signal(args.end_with_stdin);
    let say = |text: &str| {
        if !args.json {
            println!("{text}");
        }
    };
    say(if new {
        "making a demo tenant"
    } else {
        "resuming the tenant"
    });
    let mut proxies = JoinSet::new();
    let links = links(&tenant, args.link_delay, &mut proxies).await?;
    tenant::configure(&layout, &tenant, |number| links[usize::from(number) - 1])?;
    let mut parts = Parts::start(parts(&layout, &tenant, log_level, log)?)?;
    write_run_file(&layout, &parts)?;
    let ready = tokio::select! {
        ready = prepare(&layout, &tenant, &say) => ready.map(Some),
        ended = watch_over(&layout, &mut parts) => Err(ended),
        _ = stop.changed() => Ok(None),
    };
    let outcome = match ready {
        Ok(Some(invitation)) => {
            announce(&layout, &tenant, rule, invitation.as_deref(), args.json);
            tokio::select! {
                ended = watch_over(&layout, &mut parts) => Err(ended),
                _ = stop.changed() => Ok(()),
            }
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    say("stopping");
    parts.stop().await;
    let _ = std::fs::remove_file(layout.run_file());
    outcome.map(|()| ExitCode::SUCCESS)
}

fn open_or_make(layout: &Layout, args: &UpArgs) -> Result<(TenantFile, bool)> {
    let issuer = format!("http://localhost:{}", args.port);
    if layout.tenant_file().exists() {
        let tenant = layout.tenant()?;
        if tenant.issuer != issuer {
            bail!(
                "the issuer of {} is {}, and an issuer never changes; start with --port {}, or name another --data-dir",
                layout.root().display(),
                tenant.issuer,
                tenant.port
            );
        }
        check_alg(layout, &tenant, args.alg)?;
        return Ok((tenant, false));
    }
    QuorumRule::new(args.custodians, args.threshold, args.faulty)?;
    let foreign = layout.root().exists() && layout.root().read_dir()?.next().is_some() && !layout.genesis().exists();
    let half_made = layout.root().join("admin").exists();
    if foreign && !half_made {
        bail!(
            "{} is not empty and holds no tenant; name another --data-dir",
            layout.root().display()
        );
    }
    let tenant = TenantFile {
        issuer,
        gateway: format!(
            "http://localhost:{}",
            args.port.checked_add(1).context("--port is too high")?
        ),
        port: args.port,
        custodians: args.custodians,
        threshold: args.threshold,
        faulty: args.faulty,
        token_alg: args.alg.unwrap_or(TokenAlg::EdDsa),
        demo: true,
    };
    std::fs::create_dir_all(layout.root())?;
    tenant::make(layout, &tenant)?;
    Ok((tenant, true))
}

/// The algorithm stands in genesis, which decides; whoever asks for another one, or writes it into `tenant.toml`, is told so.
fn check_alg(layout: &Layout, tenant: &TenantFile, asked: Option<TokenAlg>) -> Result<()> {
    let own = layout.committee()?.body().token_alg;
    if let Some(other) = asked.filter(|asked| *asked != own) {
        bail!(
            "the tokens of {} are signed with {own}: one algorithm per issuer; make a second issuer for {other} with --data-dir and --port",
            layout.root().display()
        );
    }
    if tenant.token_alg != own {
        bail!(
            "{} says {} and genesis.cbor says {own}, which never changes; write token_alg = \"{own}\"",
            layout.tenant_file().display(),
            tenant.token_alg
        );
    }
    Ok(())
}

async fn links(tenant: &TenantFile, delay_ms: u64, proxies: &mut JoinSet<()>) -> Result<Vec<u16>> {
    let link = tenant.port.checked_add(2).context("--port is too high")?;
    let mut links = Vec::new();
    for _ in 0..tenant.custodians {
        links.push(match delay_ms {
            0 => link,
            ms => delay::start(link, Duration::from_millis(ms), proxies).await?,
        });
    }
    Ok(links)
}

fn parts(layout: &Layout, tenant: &TenantFile, log_level: &str, log: &str) -> Result<Vec<Part>> {
    let root = std::path::absolute(layout.root())?;
    let logs = root.join("logs");
    std::fs::create_dir_all(&logs)?;
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let part = |name: String, arguments: Vec<String>| {
        let common = ["--log", log, "--log-level", log_level, "--"].map(str::to_owned);
        let [form, form_value, level, level_value, _] = common;
        let arguments = [
            vec![form, form_value, level, level_value],
            arguments,
            vec!["--end-with-stdin".to_owned()],
        ]
        .concat();
        Part {
            log: logs.join(format!("{name}.log")),
            name,
            arguments,
        }
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut parts = vec![
        part(
            "gateway".to_owned(),
            [
                words(&["gateway", "--config"]),
                vec![text(root.join("gateway/gateway.toml"))],
            ]
            .concat(),
        ),
        part(
            "site".to_owned(),
            [
                words(&["site", "serve", "--listen"]),
                vec![
                    format!("127.0.0.1:{}", tenant.port),
                    "--dir".to_owned(),
                    text(root.join("site")),
                ],
            ]
            .concat(),
        ),
    ];
    parts.push(part(
        "demo".to_owned(),
        [
            words(&["demo-of-up", "--issuer", &tenant.issuer, "--url", &tenant.demo_url()]),
            words(&[
                "--client-id",
                founding::DEMO_APPLICATION,
                "--listen",
                &format!("127.0.0.1:{}", tenant.demo_port()),
            ]),
            vec![
                "--secret".to_owned(),
                text(
                    root.join(
                        layout
                            .client_secret(founding::DEMO_APPLICATION)
                            .strip_prefix(layout.root())?,
                    ),
                ),
            ],
        ]
        .concat(),
    ));
    for number in 1..=tenant.custodians {
        let config = text(root.join(format!("custodian-{number}/custodian.toml")));
        parts.push(part(
            format!("custodian-{number}"),
            [words(&["custodian-of-up", "--config"]), vec![config]].concat(),
        ));
    }
    Ok(parts)
}

fn write_run_file(layout: &Layout, parts: &Parts) -> Result<()> {
    let run = RunFile {
        up: std::process::id(),
        processes: parts.ids(),
    };
    Ok(file::write_whole(
        &layout.run_file(),
        &serde_json::to_vec_pretty(&run)?,
        file::Durability::Later,
    )?)
}

/// Starts again what has ended, for ever; returns only an error of its own.
async fn watch_over(layout: &Layout, parts: &mut Parts) -> anyhow::Error {
    loop {
        tokio::time::sleep(WATCH).await;
        match parts.restart_ended() {
            Ok(restarted) if restarted.is_empty() => {}
            Ok(restarted) => {
                eprintln!(
                    "restarted {}; see {}/logs",
                    restarted.join(", "),
                    layout.root().display()
                );
                if let Err(error) = write_run_file(layout, parts) {
                    return error;
                }
            }
            Err(error) => return error,
        }
    }
}

/// Waits until tokens can be issued, writes the issuer site, registers what the demonstration needs. The link of an open invitation.
async fn prepare(layout: &Layout, tenant: &TenantFile, say: &impl Fn(&str)) -> Result<Option<String>> {
    let http = public::http()?;
    let deadline = tokio::time::Instant::now() + START;
    let mut said = String::new();
    loop {
        if let Ok(status) = public::json(&http, &format!("{}/status", tenant.gateway)).await {
            let size = status["size"].as_u64().unwrap_or(0);
            let generating = &status["key_generation"];
            let step = match (status["ready"] == true, size) {
                (true, _) => "ready".to_owned(),
                (false, 0) if generating.is_object() => format!(
                    "making keys that nobody will ever hold whole: {} of {} rounds done",
                    generating["rounds_done"], generating["of"]
                ),
                (false, 0) => format!(
                    "{} of {} custodians linked and voting; keys are made by all together",
                    status["voting"], tenant.custodians
                ),
                (false, _) => format!("{} of {} custodians voting", status["voting"], tenant.custodians),
            };
            if step != said {
                say(&format!("  {step}"));
                said = step;
            }
            // A rebuilt gateway publishes with its next checkpoint; the site of an older tenant is there already.
            let published = status["published"].as_u64().is_some_and(|size| size >= 2);
            if status["ready"] == true && (published || layout.site().join("jwks.json").exists()) {
                break;
            }
        }
        if tokio::time::Instant::now() > deadline {
            bail!(
                "the system was not ready after {} s; see {}/logs",
                START.as_secs(),
                layout.root().display()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if layout.site().join("jwks.json").exists() {
        // The pages of this release; keys, discovery and policy stay what the log made them.
        site::write_pages(&layout.site())?;
    } else {
        site::write(layout, tenant, &layout.site()).await?;
    }
    founding::register(layout, tenant, say).await
}

fn announce(layout: &Layout, tenant: &TenantFile, rule: QuorumRule, invitation: Option<&str>, as_json: bool) {
    let demo = tenant.demo_url();
    if as_json {
        let line = json!({
            "issuer": tenant.issuer,
            "gateway": tenant.gateway,
            "data_dir": layout.root(),
            "token_alg": tenant.token_alg,
            "demo": demo,
            "invitation": invitation,
            "ready_ms": clock::now_ms(),
        });
        println!("{line}");
        return;
    }
    println!(
        "
issuer    {issuer}
gateway   {gateway}
tokens    {alg}
demo      {demo}   a relying party to sign in to
data      {data}

{person}
  custodians {n}   sign {t}   forging needs {t}   may be absent {absent}   log cannot fork with up to {fork} malicious{note}

There is no master key. In its place: {t} custodian operators together, {k} administrator, whoever runs the issuer site's host and
its DNS, and the people who release this software.
All custodians run on this one host, so they are NOT independent: whoever owns the host owns them all. This is a demonstration.

try       quorate token --client {client}{flag}
then      quorate verify TOKEN{flag}
stop      Ctrl-C; the next start resumes",
        issuer = tenant.issuer,
        gateway = tenant.gateway,
        alg = tenant.token_alg,
        data = layout.root().display(),
        person = match invitation {
            Some(link) => format!("enrol     {link}\n          whoever opens this link first enrols the passkey of user {}\n", founding::DEMO_USER),
            None => String::new(),
        },
        n = rule.custodians(),
        t = rule.threshold(),
        absent = rule.may_be_absent(),
        fork = rule.fork_free_up_to(),
        note = if rule.fork_free_up_to() == 0 { " (demo only: one malicious custodian can fork the log)" } else { "" },
        k = 1,
        client = founding::DEMO_CLIENT,
        flag = if layout.root() == std::path::Path::new("quorate-data") { String::new() } else { format!(" --data-dir {}", layout.root().display()) },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(place: &std::path::Path, alg: Option<TokenAlg>) -> UpArgs {
        UpArgs {
            data_dir: place.join("data"),
            port: 8410,
            custodians: 4,
            threshold: 3,
            faulty: 1,
            alg,
            json: false,
            end_with_stdin: false,
            link_delay: 0,
        }
    }

    fn open(place: &std::path::Path, alg: Option<TokenAlg>) -> Result<(TenantFile, bool)> {
        let args = args(place, alg);
        open_or_make(&Layout::new(&args.data_dir), &args)
    }

    /// What `up` says of a tenant made for `made` when it is asked for `asked`.
    fn check(made: Option<TokenAlg>, asked: Option<TokenAlg>, expected: Result<TokenAlg, &str>) {
        let place = tempfile::tempdir().unwrap();
        let (tenant, new) = open(place.path(), made).unwrap();
        assert!(new);
        let genesis = Layout::new(&place.path().join("data")).committee().unwrap();
        assert_eq!(genesis.body().token_alg, tenant.token_alg);
        match (open(place.path(), asked), expected) {
            (Ok((resumed, false)), Ok(alg)) => assert_eq!((resumed.token_alg, &resumed), (alg, &tenant)),
            (Err(told), Err(words)) => assert!(told.to_string().contains(words), "{told}"),
            (outcome, _) => panic!("{made:?} {asked:?}: {outcome:?}"),
        }
    }

    #[test]
    fn a_tenant_keeps_its_algorithm_and_a_directory_of_the_other_one_is_refused() {
        use TokenAlg::{EdDsa, Es256};
        let other = Err("one algorithm per issuer; make a second issuer for");
        check(None, None, Ok(EdDsa));
        check(None, Some(EdDsa), Ok(EdDsa));
        check(None, Some(Es256), other);
        check(Some(EdDsa), Some(Es256), other);
        check(Some(Es256), None, Ok(Es256));
        check(Some(Es256), Some(Es256), Ok(Es256));
        check(Some(Es256), Some(EdDsa), other);
    }

    #[test]
    fn a_tenant_file_that_contradicts_genesis_is_refused_with_the_line_to_write() {
        let place = tempfile::tempdir().unwrap();
        open(place.path(), Some(TokenAlg::Es256)).unwrap();
        let file = Layout::new(&place.path().join("data")).tenant_file();
        let text = std::fs::read_to_string(&file).unwrap();
        let line = "token_alg = \"ES256\"\n";
        for other in ["token_alg = \"EdDSA\"\n", ""] {
            std::fs::write(&file, text.replace(line, other)).unwrap();
            let told = open(place.path(), None).unwrap_err().to_string();
            assert!(told.contains(line.trim_end()), "{told}");
        }
    }
}
