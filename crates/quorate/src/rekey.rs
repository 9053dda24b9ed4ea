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
    cbor::Canonical,
    decision::{Action, Proposal},
    name::{Issuer, Subject},
    person::{ClientAuthentication, InteractiveClientRecord, UserRecord},
    record::ClientRecord,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zeroize::Zeroizing;

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
    let mut report = json!({ "from": old.issuer, "bans": status["bans"], "moved": [], "waiting": [], "later": [], "there": [], "to_stop": [] });
    let place = Layout::new(&args.to);
    if !place.tenant_file().exists() {
        report["next"] = how_to_begin(&old, &args.to).into();
        print(&report, args.signed.json());
        return Ok(ExitCode::SUCCESS);
    }
    let new = place.tenant()?;
    check(&old, &new)?;
    report["to"] = new.issuer.as_str().into();
    let old_admin = AdminClient::open(&layout, args.signed.admin_key())?;
    let new_admin = AdminClient::open(&place, args.to_admin_key.as_ref())?;
    // What was decided last is published a moment later.
    let size = status["size"]
        .as_u64()
        .context("the gateway names no size of its log")?;
    let kept = Kept::of(log::decisions(&layout, &old_admin, size).await?);
    report["to_stop"] = kept.clients().into();
    report["longest_token_s"] = kept.longest_token_s.into();
    let carried = carry(&kept, (&new_admin, &Issuer::new(new.issuer)?), &mut report).await;
    report["next"] = match &carried {
        Ok(()) => next(&report, &args).into(),
        Err(_) => "mend what the error says, and run this again; what was moved stays".into(),
    };
    print(&report, args.signed.json());
    carried.map(|()| ExitCode::SUCCESS)
}

/// The command that makes a tenant of the same kind.
fn how_to_begin(old: &TenantFile, to: &Path) -> String {
    format!(
        "make the new tenant, in which the one at fault has no place, and run this again:\n  quorate up --data-dir {} --port {} \
         --alg {} --custodians {} --threshold {} --faulty {}",
        to.display(),
        old.port.checked_add(PORTS).unwrap_or_else(|| old.port - PORTS),
        old.token_alg,
        old.custodians,
        old.threshold,
        old.faulty,
    )
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

/// Whom the log of the old tenant lets have tokens.
enum Record {
    Machine(ClientRecord),
    Application(InteractiveClientRecord),
    Person(UserRecord),
}

/// The member under which a report names one of these, and the name.
type Name = (&'static str, String);

const CLIENT: &str = "client_id";
const USER: &str = "user";

/// What is shown once: the member of the report, and the text.
type Shown = (&'static str, Zeroizing<String>);

impl Record {
    /// The decision that makes it known in the new tenant: a client with its keys and rights, an application with a new secret if it has
    /// one, a person by a new invitation.
    fn anew(&self, issuer: &Issuer) -> Result<(Action, Option<Shown>)> {
        Ok(match self {
            Self::Machine(record) => {
                let record = ClientRecord {
                    tag_key: tag_key(),
                    ..record.clone()
                };
                (Action::PutClient(record), None)
            }
            Self::Application(record) => {
                let secret = (record.authentication == ClientAuthentication::ClientSecret).then(new_secret);
                let private = private(&record.id, issuer, secret.as_ref().map(|secret| secret.as_str()));
                let action = Action::PutInteractiveClient(record.clone(), private);
                (action, secret.map(|secret| ("client_secret", secret)))
            }
            Self::Person(record) => {
                let record = UserRecord {
                    tag_key: None,
                    ..record.clone()
                };
                let invitation = user::invitation(issuer.as_str(), record, OPEN_HOURS)?;
                (invitation.action, Some(("invitation", invitation.link)))
            }
        })
    }
}

/// Whom a proposal would make known.
fn named(action: &Action) -> Option<Name> {
    match action {
        Action::PutClient(record) => Some((CLIENT, record.id.to_string())),
        Action::PutInteractiveClient(record, _) => Some((CLIENT, record.id.to_string())),
        Action::Invite(record, ..) => Some((USER, record.username.to_string())),
        Action::SuspendClient(_)
        | Action::SuspendUser(_)
        | Action::SetAdmins(_)
        | Action::PutGateway(_)
        | Action::RemoveGateway(_)
        | Action::ActivateRules(_)
        | Action::Cancel(_)
        | Action::StopPasskey(_) => None,
    }
}

/// What the decisions of a log leave in force.
#[derive(Default)]
struct Kept {
    records: BTreeMap<Name, Record>,
    /// Longest life of a token that any client ever got.
    longest_token_s: u32,
}

impl Kept {
    fn of(decisions: Vec<Proposal>) -> Self {
        let cancelled: BTreeSet<[u8; 32]> = decisions
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
            let name = named(&proposal.action);
            let (record, token_s) = match proposal.action {
                Action::PutClient(record) => {
                    let token_s = record.token_lifetime_s;
                    (Record::Machine(record), token_s)
                }
                Action::PutInteractiveClient(record, _) => {
                    let token_s = record.token_lifetime_s;
                    (Record::Application(record), token_s)
                }
                Action::Invite(record, ..) => {
                    // Possibly under another name before.
                    kept.forget(&record.sub);
                    (Record::Person(record), 0)
                }
                Action::SuspendClient(id) => {
                    kept.records.remove(&(CLIENT, id.to_string()));
                    continue;
                }
                Action::SuspendUser(sub) => {
                    kept.forget(&sub);
                    continue;
                }
                _ => continue,
            };
            kept.longest_token_s = kept.longest_token_s.max(token_s);
            kept.records.extend(name.map(|name| (name, record)));
        }
        kept
    }

    fn forget(&mut self, sub: &Subject) {
        self.records
            .retain(|_, record| !matches!(record, Record::Person(person) if person.sub == *sub));
    }

    fn clients(&self) -> Vec<&str> {
        let clients = self.records.keys().filter(|(member, _)| *member == CLIENT);
        clients.map(|(_, id)| id.as_str()).collect()
    }
}

/// Proposes in the new tenant what is not there yet, and reports each at once, so that no secret is lost where a later one fails. One after
/// the other where more than one administrator decides: an approval is of the registry as it stands, so whatever is logged makes all
/// other proposals stale.
async fn carry(kept: &Kept, (admin, issuer): (&AdminClient, &Issuer), report: &mut Value) -> Result<()> {
    let there = there(&admin.get("/admin/registry").await.context("the new tenant")?);
    let waiting = waiting(&admin.get("/admin/proposals").await?);
    let mut one_waits = kept.records.keys().any(|name| waiting.contains_key(name));
    for (name, record) in &kept.records {
        let (member, text_of_name) = name;
        if there.contains(name) {
            add(report, "there", text_of_name.as_str().into());
        } else if let Some(proposal) = waiting.get(name) {
            add(
                report,
                "waiting",
                json!({ *member: text_of_name, "proposal": proposal }),
            );
        } else if one_waits {
            add(report, "later", text_of_name.as_str().into());
        } else {
            let (action, shown) = record.anew(issuer)?;
            let told = admin.propose(action).await.with_context(|| text_of_name.clone())?;
            one_waits = told["state"] == "open";
            let mut one = json!({ *member: text_of_name, "proposal": told["id"], "state": told["state"] });
            if let Some((member, shown)) = shown {
                one[member] = shown.as_str().into();
            }
            add(report, "moved", one);
        }
    }
    Ok(())
}

fn add(report: &mut Value, member: &str, one: Value) {
    if let Some(list) = report[member].as_array_mut() {
        list.push(one);
    }
}

/// Whom the new tenant's registry has.
fn there(registry: &Value) -> BTreeSet<Name> {
    let names = |list: &str, key: &'static str, member: &'static str| {
        let all = registry[list].as_array().cloned().unwrap_or_default();
        all.into_iter().map(move |one| (member, text(&one[key]).to_owned()))
    };
    names("clients", "client_id", CLIENT)
        .chain(names("users", "preferred_username", USER))
        .collect()
}

/// Who was proposed in the new tenant before and waits for approvals, with the proposal's identifier.
fn waiting(listed: &Value) -> BTreeMap<Name, String> {
    let all = listed["proposals"].as_array().into_iter().flatten();
    let open = all.filter(|one| one["state"] == "open");
    open.filter_map(|one| {
        let bytes = hex::decode(text(&one["proposal"])).ok()?;
        let name = named(&Proposal::from_canonical(&bytes).ok()?.action)?;
        Some((name, text(&one["id"]).to_owned()))
    })
    .collect()
}

/// What whoever runs this does next.
fn next(report: &Value, args: &RekeyArgs) -> String {
    let list = |member: &str| report[member].as_array().map_or(&[][..], Vec::as_slice);
    let moved = list("moved").iter().filter(|one| one["state"] == "open");
    let open: Vec<&str> = moved.chain(list("waiting")).map(|one| text(&one["proposal"])).collect();
    let (to, issuer) = (args.to.display(), text(&report["to"]));
    if !open.is_empty() {
        return format!(
            "the new tenant's administrators approve it, and this is run again:\n  quorate proposal approve {} --data-dir {to}",
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
    for one in report["waiting"].as_array().into_iter().flatten() {
        let name = one["client_id"].as_str().or(one["user"].as_str()).unwrap_or_default();
        println!("waits {name} (proposal {})", text(&one["proposal"]));
    }
    for member in ["later", "there"] {
        let names: Vec<&str> = report[member].as_array().into_iter().flatten().map(text).collect();
        if !names.is_empty() {
            println!("{member} {}", names.join(" "));
        }
    }
    println!("next  {}", text(&report["next"]));
}
