//! `quorate user`: people, whose passkeys come by invitation.

use crate::{
    admin::{AdminClient, Signed, print_proposal, text},
    clock,
    layout::Layout,
};
use anyhow::{Context, Result, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use clap::{Args, Subcommand};
use ed25519_dalek::SigningKey;
use quorate_rules::{
    cbor::Array,
    decision::Action,
    name::{DisplayName, Email, GroupName, Subject, Username},
    person::UserRecord,
};
use rand_core::{OsRng, RngCore};
use serde_json::{Value, json};
use std::process::ExitCode;
use zeroize::Zeroizing;

/// How long an invitation stays open where nothing else is said: a week, in hours.
const OPEN_HOURS: u64 = 7 * 24;

/// `quorate user`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Propose a person, and print the link by which the person enrols a passkey.
    ///
    /// Inviting somebody who is there already replaces what is said of that person — name, address, groups — lifts a suspension, and
    /// opens another invitation. Hand the link over by a channel of your own: whoever opens it first enrols.
    Invite(InviteArgs),
    /// List people and their passkeys.
    List(Signed),
    /// Stop a person's account at once; one administrator suffices.
    Suspend(SuspendArgs),
    /// Stop one passkey at once, a lost one for instance; one administrator suffices.
    StopPasskey(StopPasskeyArgs),
}

/// `quorate user invite`
#[derive(Debug, Args)]
pub struct InviteArgs {
    #[command(flatten)]
    signed: Signed,
    /// User name (preferred_username), without spaces.
    name: String,
    /// E-mail address.
    #[arg(long)]
    email: Option<String>,
    /// Vouch for the address (email_verified).
    #[arg(long, requires = "email")]
    email_verified: bool,
    /// Name for people (name).
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// A group that the person belongs to; may be repeated.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Hours that the invitation stays open, at most 720.
    #[arg(long, default_value_t = OPEN_HOURS)]
    hours: u64,
}

/// `quorate user suspend`
#[derive(Debug, Args)]
pub struct SuspendArgs {
    #[command(flatten)]
    signed: Signed,
    /// User name or subject.
    name: String,
}

/// `quorate user stop-passkey`
#[derive(Debug, Args)]
pub struct StopPasskeyArgs {
    #[command(flatten)]
    signed: Signed,
    /// The passkey's identifier, as `quorate user list --json` prints it.
    id: String,
}

/// An invitation: its decision, and the link that carries its seed.
pub struct Invitation {
    /// What the administrators decide.
    pub action: Action,
    /// Where the person enrols. Whoever has it may.
    pub link: Zeroizing<String>,
}

/// Runs the command.
pub async fn run(command: UserCommand) -> Result<ExitCode> {
    match command {
        UserCommand::Invite(args) => invite(args).await,
        UserCommand::List(signed) => list(&signed).await,
        UserCommand::Suspend(args) => {
            let admin = AdminClient::open(&args.signed.layout(), args.signed.admin_key())?;
            let registry = admin.get("/admin/registry").await?;
            let user = find(&registry, &args.name).with_context(|| format!("there is no user {}", args.name))?;
            let told = admin
                .propose(Action::SuspendUser(Subject::new(text(&user["sub"]))?))
                .await?;
            print_proposal(&told, args.signed.json())
        }
        UserCommand::StopPasskey(args) => {
            let id = hex::decode(&args.id).ok().and_then(|id| id.try_into().ok());
            let id = id.context("a passkey's identifier has 64 hex digits; `quorate user list --json` prints them")?;
            let admin = AdminClient::open(&args.signed.layout(), args.signed.admin_key())?;
            let told = admin.propose(Action::StopPasskey(Array(id))).await?;
            print_proposal(&told, args.signed.json())
        }
    }
}

/// The user of this name or subject.
fn find<'a>(registry: &'a Value, name: &str) -> Option<&'a Value> {
    let users = registry["users"].as_array()?;
    users
        .iter()
        .find(|user| user["preferred_username"] == name || user["sub"] == name)
}

/// An invitation for a user of this record.
pub fn invitation(issuer: &str, user: UserRecord, hours: u64) -> Result<Invitation> {
    let mut seed = Zeroizing::new([0; 32]);
    OsRng.fill_bytes(seed.as_mut());
    let key = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
    let open_ms = hours.checked_mul(3_600_000).filter(|_| hours > 0 && hours <= 720);
    let open_ms = open_ms.context("an invitation stays open 1 to 720 hours")?;
    Ok(Invitation {
        action: Action::Invite(user, Array(key), clock::now_ms() + open_ms),
        link: Zeroizing::new(format!("{issuer}/enrol#{}", B64.encode(seed.as_ref()))),
    })
}

/// A user of this name, known or new.
pub fn named(registry: &Value, name: &str) -> Result<UserRecord> {
    let sub = match find(registry, name) {
        Some(user) => Subject::new(text(&user["sub"]))?,
        None => {
            let mut random = [0; 16];
            OsRng.fill_bytes(&mut random);
            Subject::from_random(random)
        }
    };
    Ok(UserRecord {
        sub,
        username: Username::new(name)?,
        name: None,
        email: None,
        email_verified: false,
        groups: Vec::new(),
        tag_key: None,
        suspended: false,
    })
}

async fn invite(args: InviteArgs) -> Result<ExitCode> {
    let layout: Layout = args.signed.layout();
    let tenant = layout.tenant()?;
    let admin = AdminClient::open(&layout, args.signed.admin_key())?;
    let registry = admin.get("/admin/registry").await?;
    let user = UserRecord {
        name: args.display_name.clone().map(DisplayName::new).transpose()?,
        email: args.email.clone().map(Email::new).transpose()?,
        email_verified: args.email_verified,
        groups: args.groups.iter().map(GroupName::new).collect::<Result<_, _>>()?,
        ..named(&registry, &args.name)?
    };
    user.check().context("name each group once, at most 64 of them")?;
    let sub = user.sub.clone();
    let invitation = invitation(&tenant.issuer, user, args.hours)?;
    let mut told = admin.propose(invitation.action).await?;
    if args.signed.json() {
        told["sub"] = sub.as_str().into();
        told["invitation"] = invitation.link.as_str().into();
        println!("{told}");
        return Ok(ExitCode::SUCCESS);
    }
    print_proposal(&told, false)?;
    println!("sub         {sub}");
    println!("invitation  {}", invitation.link.as_str());
    println!(
        "            whoever opens this link first enrols a passkey; it works once the decision is logged, for {} h",
        args.hours
    );
    Ok(ExitCode::SUCCESS)
}

async fn list(signed: &Signed) -> Result<ExitCode> {
    let admin = AdminClient::open(&signed.layout(), signed.admin_key())?;
    let registry = admin.get("/admin/registry").await?;
    if signed.json() {
        println!("{}", json!({ "users": registry["users"] }));
        return Ok(ExitCode::SUCCESS);
    }
    for user in registry["users"].as_array().into_iter().flatten() {
        let state = if user["suspended"] == true {
            "suspended"
        } else {
            "active"
        };
        let passkeys = user["passkeys"].as_array().map_or(0, Vec::len);
        println!(
            "{:<24} {}  {state:<10} {passkeys} passkey{}",
            text(&user["preferred_username"]),
            text(&user["sub"]),
            if passkeys == 1 { "" } else { "s" }
        );
    }
    if registry["users"].as_array().is_none_or(Vec::is_empty) {
        bail!("there is nobody yet; `quorate user invite NAME` invites the first");
    }
    Ok(ExitCode::SUCCESS)
}
