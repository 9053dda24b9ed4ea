//! `quorate rekey`: the way to new keys. A share that somebody may have learned something of is not mended: the tenant moves to keys that
//! were made without whoever is at fault, under an issuer of their own.

use crate::{
    admin::{AdminClient, Signed, text},
    client::{new_secret, private, tag_key},
    layout::{Layout, TenantFile},
    log, public, user,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use quorate_rules::{
    decision::{Action, Proposal},
    name::{Issuer, Subject},
    person::{ClientAuthentication, InteractiveClientRecord, UserRecord},
    record::ClientRecord,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Hours that the invitations to the new tenant stay open.
const OPEN_HOURS: u64 = 168;
/// The suggested port of the new tenant lies so far above the old one's: `up` takes a few ports in a row.
const PORTS: u16 = 10;

/// Arguments.
#[derive(Debug, Args)]
pub struct RekeyArgs {
    #[command(flatten)]
    signed: Signed,
    /// Data directory of the new tenant; where there is none, the command that makes it is printed.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The new tenant's administrator's key; admin/admin.pem in its directory where left out.
    #[arg(long, value_name = "FILE")]
    to_admin_key: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(args: RekeyArgs) -> Result<ExitCode> {
    let layout = args.signed.layout();
    let old = layout.tenant()?;
    let status = public::json(&public::http()?, &format!("{}/status", old.gateway)).await?;
    let mut report = json!({ "from": old.issuer, "bans": status["bans"], "moved": [], "there": [], "to_stop": [] });
    let place = Layout::new(&args.to);
    if place.tenant_file().exists() {
        let new = place.tenant()?;
        check(&old, &new)?;
        report["to"] = new.issuer.as_str().into();
        let admins = (
            AdminClient::open(&layout, args.signed.admin_key())?,
            AdminClient::open(&place, args.to_admin_key.as_ref())?,
        );
        // What was decided last is published a moment later.
        let size = status["size"]
            .as_u64()
            .context("the gateway names no size of its log")?;
        let kept = Kept::of(log::decisions(&layout, &admins.0, size).await?);
        carry(&kept, (&admins.1, &Issuer::new(new.issuer.clone())?), &mut report).await?;
        report["to_stop"] = kept.clients.keys().cloned().collect::<Vec<_>>().into();
        report["longest_token_s"] = kept.longest_token_s.into();
        report["next"] = next(&report, &args).into();
    } else {
        let TenantFile {
            port,
            token_alg,
            custodians,
            threshold,
            faulty,
            ..
        } = old;
        report["next"] = format!(
            "make the new tenant, in which the one at fault has no place, and run this again:\n  quorate up --data-dir {} --port {} \
             --alg {token_alg} --custodians {custodians} --threshold {threshold} --faulty {faulty}",
            args.to.display(),
            port.checked_add(PORTS).unwrap_or(port - PORTS),
        )
        .into();
    }
    print(&report, args.signed.json());
    Ok(ExitCode::SUCCESS)
}

fn check(old: &TenantFile, new: &TenantFile) -> Result<()> {
    if new.issuer == old.issuer {
        bail!(
            "{} is the tenant whose keys are to be replaced; --to names another directory",
            old.issuer
        );
    }
    if new.token_alg != old.token_alg {
        bail!(
            "the new tenant signs by {} and the old one by {}, which its clients may not take; make it with --alg {}",
            new.token_alg,
            old.token_alg,
            old.token_alg
        );
    }
    Ok(())
}

/// A client as the log has it.
enum Client {
    Machine(ClientRecord),
    Application(InteractiveClientRecord),
}

/// What the decisions of a log leave in force.
#[derive(Default)]
struct Kept {
    clients: BTreeMap<String, Client>,
    people: BTreeMap<Subject, UserRecord>,
    /// Longest life of a token that any client ever got.
    longest_token_s: u32,
}

impl Kept {
    fn of(decisions: Vec<Proposal>) -> Self {
        let cancelled: Vec<[u8; 32]> = decisions
            .iter()
            .filter_map(|proposal| match proposal.action {
                Action::Cancel(digest) => Some(digest.0),
                _ => None,
            })
            .collect();
        let mut kept = Self::default();
        for proposal in decisions {
            if cancelled.contains(proposal.digest().as_bytes()) {
                continue;
            }
            match proposal.action {
                Action::PutClient(record) => {
                    kept.longest_token_s = kept.longest_token_s.max(record.token_lifetime_s);
                    kept.clients.insert(record.id.to_string(), Client::Machine(record));
                }
                Action::PutInteractiveClient(record, _) => {
                    kept.longest_token_s = kept.longest_token_s.max(record.token_lifetime_s);
                    kept.clients.insert(record.id.to_string(), Client::Application(record));
                }
                Action::SuspendClient(id) => drop(kept.clients.remove(id.as_str())),
                Action::Invite(record, ..) => drop(kept.people.insert(record.sub.clone(), record)),
                Action::SuspendUser(sub) => drop(kept.people.remove(&sub)),
                Action::SetAdmins(_)
                | Action::PutGateway(_)
                | Action::RemoveGateway(_)
                | Action::ActivateRules(_)
                | Action::Cancel(_)
                | Action::StopPasskey(_) => {}
            }
        }
        kept
    }
}

/// Proposes in the new tenant what is not there yet: clients with their keys and rights, applications with a new secret where they have
/// one, people by a new invitation.
async fn carry(kept: &Kept, (admin, issuer): (&AdminClient, &Issuer), report: &mut Value) -> Result<()> {
    let registry = admin.get("/admin/registry").await.context("the new tenant")?;
    let has = |list: &str, member: &str, value: &str| {
        let found = registry[list].as_array();
        found.is_some_and(|found| found.iter().any(|one| one[member] == value))
    };
    let (mut moved, mut there) = (Vec::new(), Vec::new());
    for (id, client) in &kept.clients {
        if has("clients", "client_id", id) {
            there.push(id.clone());
            continue;
        }
        let (action, secret) = match client {
            Client::Machine(record) => {
                let record = ClientRecord {
                    tag_key: tag_key(),
                    ..record.clone()
                };
                (Action::PutClient(record), None)
            }
            Client::Application(record) => {
                let secret = (record.authentication == ClientAuthentication::ClientSecret).then(new_secret);
                let private = private(&record.id, issuer, secret.as_ref().map(|secret| secret.as_str()));
                (Action::PutInteractiveClient(record.clone(), private), secret)
            }
        };
        let told = admin.propose(action).await.with_context(|| format!("client {id}"))?;
        let mut one = json!({ "client_id": id, "proposal": told["id"], "state": told["state"] });
        if let Some(secret) = &secret {
            one["client_secret"] = secret.as_str().into();
        }
        moved.push(one);
    }
    for record in kept.people.values() {
        let name = record.username.as_str();
        if has("users", "preferred_username", name) {
            there.push(name.to_owned());
            continue;
        }
        let record = UserRecord {
            tag_key: None,
            ..record.clone()
        };
        let invitation = user::invitation(issuer.as_str(), record, OPEN_HOURS)?;
        let told = admin
            .propose(invitation.action)
            .await
            .with_context(|| format!("user {name}"))?;
        moved.push(json!({
            "user": name, "proposal": told["id"], "state": told["state"], "invitation": invitation.link.as_str(),
        }));
    }
    (report["moved"], report["there"]) = (moved.into(), there.into());
    Ok(())
}

/// What whoever runs this does next.
fn next(report: &Value, args: &RekeyArgs) -> String {
    let moved = report["moved"].as_array().map_or(&[][..], Vec::as_slice);
    let open: Vec<&str> = moved
        .iter()
        .filter(|one| one["state"] == "open")
        .map(|one| text(&one["proposal"]))
        .collect();
    let (to, issuer) = (args.to.display(), text(&report["to"]));
    if !open.is_empty() {
        return format!(
            "the new tenant's administrators approve each:\n  quorate proposal approve {} --data-dir {to}",
            open.join(&format!(" --data-dir {to}\n  quorate proposal approve "))
        );
    }
    let from = args.signed.layout();
    let from = from.root().display();
    let stop: Vec<&str> = report["to_stop"].as_array().into_iter().flatten().map(text).collect();
    if stop.is_empty() {
        return format!(
            "no client of the old tenant gets a token any more; stop the old tenant when the last has died, {} s from now",
            report["longest_token_s"]
        );
    }
    format!(
        "point each client and its users at {issuer}; whoever has, is stopped in the old tenant:\n  quorate client suspend {} --data-dir {from}",
        stop.join(&format!(" --data-dir {from}\n  quorate client suspend "))
    )
}

fn print(report: &Value, as_json: bool) {
    if as_json {
        println!("{report}");
        return;
    }
    println!("from  {}", text(&report["from"]));
    println!("to    {}", report["to"].as_str().unwrap_or("(not made yet)"));
    for ban in report["bans"].as_array().into_iter().flatten() {
        println!(
            "ban   custodian {} caught custodian {} cheating: one of the two has no place in the new tenant; docs/OPERATING.md, \"A ban\"",
            ban["by"], ban["custodian"]
        );
    }
    for one in report["moved"].as_array().into_iter().flatten() {
        let state = text(&one["state"]);
        match one["client_id"].as_str() {
            Some(id) => println!("moved client {id} ({state})"),
            None => println!("moved user {} ({state})", text(&one["user"])),
        }
        if let Some(secret) = one["client_secret"].as_str() {
            println!("      client_secret {secret}   (shown once; nobody keeps it)");
        }
        if let Some(link) = one["invitation"].as_str() {
            println!("      invitation {link}   (open {OPEN_HOURS} h)");
        }
    }
    let there: Vec<&str> = report["there"].as_array().into_iter().flatten().map(text).collect();
    if !there.is_empty() {
        println!("there {}", there.join(" "));
    }
    println!("next  {}", text(&report["next"]));
}
