//! `quorate client`: machines that speak for themselves, and applications that people sign in to.

use crate::{
    admin::{AdminClient, Signed, print_proposal, text},
    client_key::ClientKey,
    layout::Layout,
};
use anyhow::{Context, Result, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use clap::{Args, Subcommand, ValueEnum};
use quorate_rules::{
    claim::Claim,
    client_secret::SecretHashes,
    decision::Action,
    jwk::PublicJwk,
    name::{Audience, ClientId, DisplayName, Issuer, Scope},
    person::{ApplicationType, ClientAuthentication, ClientPrivateRecord, InteractiveClientRecord, Pkce},
    record::{self, ClientRecord},
    redirect::RedirectUri,
    tag::TagKey,
};
use quorate_store::file;
use rand_core::{OsRng, RngCore};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use zeroize::Zeroizing;

/// `quorate client`
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Propose a client, and approve it with the own key.
    ///
    /// A machine (the default) gets a key under clients/<ID>.jwk unless --jwk names the public key of a client that keeps its own. An
    /// application that people sign in to (--type web, native or spa) needs --redirect-uri; a web application gets a secret, which is
    /// shown once. Prints what to configure in the client.
    Add(Box<AddArgs>),
    /// List the clients.
    List(Signed),
    /// Stop a client at once; one administrator suffices.
    Suspend(SuspendArgs),
}

/// What a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Speaks for itself (client_credentials).
    Machine,
    /// Application on a server, to which people sign in.
    Web,
    /// Application on the user's own device: loopback redirects work with any port.
    Native,
    /// Application in the browser.
    Spa,
}

/// How an application proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Auth {
    /// Not at all: native and single-page applications.
    None,
    /// With a key of its own (RFC 7523).
    PrivateKeyJwt,
    /// With a secret, as client_secret_basic or client_secret_post.
    ClientSecret,
}

/// Whether an application may do without PKCE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PkceRule {
    /// It must send a code_challenge.
    Required,
    /// It may leave it out. Then only its own authentication and its nonce check stand between an injected code and a session.
    Optional,
}

/// `quorate client add`
#[derive(Debug, Args)]
pub struct AddArgs {
    #[command(flatten)]
    signed: Signed,
    /// Client identifier: 1 to 64 of A-Z a-z 0-9 . _ ~ -
    id: String,
    /// What it is.
    #[arg(long = "type", value_enum, default_value = "machine")]
    kind: Kind,
    /// Name for people; the identifier where left out.
    #[arg(long)]
    name: Option<String>,
    /// Scope of its tokens, separated by spaces; "openid profile email" for applications where left out.
    #[arg(long)]
    scope: Option<String>,
    /// Machines: the one audience of its tokens; the issuer where left out.
    #[arg(long)]
    audience: Option<String>,
    /// Life of its tokens in seconds, 30 to 86400.
    #[arg(long, value_name = "SECONDS", default_value_t = ClientRecord::DEFAULT_LIFETIME_S)]
    token_lifetime: u32,
    /// Machines: bind its tokens to its registered key (cnf).
    #[arg(long)]
    sender_constrained: bool,
    /// File of the client's public JWK; a new key is made where left out.
    #[arg(long, value_name = "FILE")]
    jwk: Option<PathBuf>,
    /// Algorithm of a new key: ES256 or EdDSA.
    #[arg(long, value_name = "ALG", default_value = "ES256", conflicts_with = "jwk")]
    key_alg: String,
    /// Applications: where codes may go, exactly as the application sends it; may be repeated.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Applications: where the browser may go after signing out; may be repeated.
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// Applications: an audience besides the issuer that it may ask for (RFC 8707); may be repeated.
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,
    /// Applications: how it proves itself; client_secret for web, none for native and spa where left out.
    #[arg(long, value_enum)]
    auth: Option<Auth>,
    /// Applications: whether it must use PKCE; `optional` only for applications that prove themselves.
    #[arg(long, value_enum, default_value = "required")]
    pkce: PkceRule,
    /// Applications: a session may sign in without another tap.
    #[arg(long)]
    silent: bool,
    /// Applications: a claim of the scope that its ID tokens hold besides userinfo: name, preferred_username, email, email_verified,
    /// groups; may be repeated.
    #[arg(long = "id-token-claim", value_name = "CLAIM")]
    id_token_claims: Vec<String>,
    /// Applications: the same for access tokens whose audience is not the issuer.
    #[arg(long = "access-token-claim", value_name = "CLAIM")]
    access_token_claims: Vec<String>,
}

/// `quorate client suspend`
#[derive(Debug, Args)]
pub struct SuspendArgs {
    #[command(flatten)]
    signed: Signed,
    /// Client identifier.
    id: String,
}

/// Runs `quorate client`.
pub async fn run(command: ClientCommand) -> Result<ExitCode> {
    match command {
        ClientCommand::Add(args) if args.kind == Kind::Machine => add_machine(&args).await,
        ClientCommand::Add(args) => add_application(&args).await,
        ClientCommand::List(signed) => list(&signed).await,
        ClientCommand::Suspend(args) => {
            let client = AdminClient::open(&args.signed.layout(), args.signed.admin_key())?;
            let told = client.propose(Action::SuspendClient(ClientId::new(args.id)?)).await?;
            print_proposal(&told, args.signed.json())
        }
    }
}

/// The client's public key: named, made before, or new.
fn key(args: &AddArgs, layout: &Layout) -> Result<PublicJwk> {
    let place = layout.client_key(&args.id);
    match &args.jwk {
        Some(path) => {
            let bytes = file::read_bounded(path, 16 * 1024)?.context("there is no such JWK file")?;
            Ok(PublicJwk::parse(&bytes)?)
        }
        None if place.exists() => Ok(ClientKey::read(&place)?.public().clone()),
        None => {
            let key = ClientKey::generate(&args.key_alg)?;
            key.write(&place)?;
            Ok(key.public().clone())
        }
    }
}

async fn add_machine(args: &AddArgs) -> Result<ExitCode> {
    let layout = args.signed.layout();
    let tenant = layout.tenant()?;
    // Before it names a file.
    ClientId::new(&args.id)?;
    let for_applications = !args.redirect_uris.is_empty() || args.auth.is_some() || args.silent;
    if for_applications {
        bail!("--redirect-uri, --auth and --silent are for applications; name --type web, native or spa");
    }
    let record = ClientRecord {
        name: display_name(args)?,
        audience: args.audience.clone().map(Audience::new).transpose()?,
        token_lifetime_s: args.token_lifetime,
        sender_constrained: args.sender_constrained,
        ..machine(&args.id, args.scope.as_deref().unwrap_or_default(), key(args, &layout)?)?
    };
    record
        .check()
        .context("a token lives 30 to 86400 seconds, and no client id looks like a subject")?;
    let client = AdminClient::open(&layout, args.signed.admin_key())?;
    let told = client.propose(Action::PutClient(record)).await?;
    if args.signed.json() {
        println!("{told}");
        return Ok(ExitCode::SUCCESS);
    }
    print_proposal(&told, false)?;
    println!("issuer          {}", tenant.issuer);
    println!("client_id       {}", args.id);
    println!("authentication  private_key_jwt, audience of the assertion: the issuer string alone");
    if args.jwk.is_none() {
        println!("private key     {}", layout.client_key(&args.id).display());
    }
    Ok(ExitCode::SUCCESS)
}

fn display_name(args: &AddArgs) -> Result<DisplayName> {
    Ok(DisplayName::new(args.name.clone().unwrap_or_else(|| args.id.clone()))?)
}

/// A new key of tags.
pub fn tag_key() -> TagKey {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    TagKey::new(bytes)
}

/// The record of a machine with one key and defaults otherwise.
pub fn machine(id: &str, scope: &str, key: PublicJwk) -> Result<ClientRecord> {
    Ok(ClientRecord {
        id: ClientId::new(id)?,
        name: DisplayName::new(id)?,
        keys: vec![record::ClientKey { jwk: key, kid: None }],
        scope: Scope::parse(scope)?,
        audience: None,
        token_lifetime_s: ClientRecord::DEFAULT_LIFETIME_S,
        sender_constrained: false,
        tag_key: tag_key(),
        suspended: false,
    })
}

/// A public application in the browser with defaults otherwise.
pub fn single_page(id: &str, name: &str, redirect_uri: &str, scope: &str) -> Result<InteractiveClientRecord> {
    Ok(InteractiveClientRecord {
        id: ClientId::new(id)?,
        name: DisplayName::new(name)?,
        application_type: ApplicationType::SinglePage,
        redirect_uris: vec![RedirectUri::new(redirect_uri)?],
        post_logout_redirect_uris: Vec::new(),
        scope: Scope::parse(scope)?,
        resources: Vec::new(),
        authentication: ClientAuthentication::None,
        keys: Vec::new(),
        pkce: Pkce::Required,
        silent: false,
        id_token_claims: Vec::new(),
        access_token_claims: Vec::new(),
        token_lifetime_s: ClientRecord::DEFAULT_LIFETIME_S,
        suspended: false,
    })
}

/// What custodians and gateway alone know of an application; with the hashes of its secret, if it has one.
pub fn private(id: &ClientId, issuer: &Issuer, secret: Option<&str>) -> ClientPrivateRecord {
    ClientPrivateRecord {
        id: id.clone(),
        tag_key: tag_key(),
        secret: secret.map(|secret| SecretHashes::of(secret, issuer, id)),
    }
}

/// A new client secret: 32 random bytes in base64url.
pub fn new_secret() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    OsRng.fill_bytes(bytes.as_mut());
    Zeroizing::new(B64.encode(bytes.as_ref()))
}

fn claims(names: &[String]) -> Result<Vec<Claim>> {
    let one = |name: &String| {
        Claim::from_name(name).with_context(|| {
            let known: Vec<&str> = Claim::ALL.iter().map(|claim| claim.name()).collect();
            format!("{name} is no claim; there are {}", known.join(", "))
        })
    };
    let mut claims = names.iter().map(one).collect::<Result<Vec<_>>>()?;
    claims.sort_unstable();
    claims.dedup();
    Ok(claims)
}

fn application(args: &AddArgs, layout: &Layout) -> Result<InteractiveClientRecord> {
    let (application_type, default) = match args.kind {
        Kind::Web | Kind::Machine => (ApplicationType::Web, Auth::ClientSecret),
        Kind::Native => (ApplicationType::Native, Auth::None),
        Kind::Spa => (ApplicationType::SinglePage, Auth::None),
    };
    let (authentication, keys) = match args.auth.unwrap_or(default) {
        Auth::None => (ClientAuthentication::None, Vec::new()),
        Auth::ClientSecret => (ClientAuthentication::ClientSecret, Vec::new()),
        Auth::PrivateKeyJwt => {
            let jwk = key(args, layout)?;
            (
                ClientAuthentication::PrivateKeyJwt,
                vec![record::ClientKey { jwk, kid: None }],
            )
        }
    };
    let uris = |texts: &[String]| -> Result<Vec<RedirectUri>> {
        texts
            .iter()
            .map(|text| RedirectUri::new(text).with_context(|| text.clone()))
            .collect()
    };
    if args.redirect_uris.is_empty() {
        bail!("name at least one --redirect-uri, exactly as the application sends it");
    }
    if args.audience.is_some() || args.sender_constrained {
        bail!("--audience and --sender-constrained are for machines; applications ask with --resource and DPoP");
    }
    let record = InteractiveClientRecord {
        id: ClientId::new(&args.id)?,
        name: display_name(args)?,
        application_type,
        redirect_uris: uris(&args.redirect_uris)?,
        post_logout_redirect_uris: uris(&args.post_logout_redirect_uris)?,
        scope: Scope::parse(args.scope.as_deref().unwrap_or("openid profile email"))?,
        resources: args.resources.iter().map(Audience::new).collect::<Result<_, _>>()?,
        authentication,
        keys,
        pkce: match args.pkce {
            PkceRule::Required => Pkce::Required,
            PkceRule::Optional => Pkce::Optional,
        },
        silent: args.silent,
        id_token_claims: claims(&args.id_token_claims)?,
        access_token_claims: claims(&args.access_token_claims)?,
        token_lifetime_s: args.token_lifetime,
        suspended: false,
    };
    record.check().context(
        "a token lives 30 to 86400 seconds, there are 1 to 32 redirect URIs, the scope is not empty, and only an application that \
         proves itself may do without PKCE",
    )?;
    Ok(record)
}

async fn add_application(args: &AddArgs) -> Result<ExitCode> {
    let layout = args.signed.layout();
    let tenant = layout.tenant()?;
    let record = application(args, &layout)?;
    let issuer = Issuer::new(tenant.issuer.clone())?;
    let secret = (record.authentication == ClientAuthentication::ClientSecret).then(new_secret);
    let private = private(&record.id, &issuer, secret.as_ref().map(|secret| secret.as_str()));
    let admin = AdminClient::open(&layout, args.signed.admin_key())?;
    if args.pkce == PkceRule::Optional {
        eprintln!(
            "quorate: without PKCE an injected code is noticed only if {} checks its nonce",
            args.id
        );
    }
    let mut told = admin
        .propose(Action::PutInteractiveClient(record.clone(), private))
        .await?;
    let method = match record.authentication {
        ClientAuthentication::None => "none",
        ClientAuthentication::PrivateKeyJwt => "private_key_jwt",
        ClientAuthentication::ClientSecret => "client_secret_basic or client_secret_post",
    };
    if args.signed.json() {
        told["client_id"] = args.id.as_str().into();
        told["id_token_signed_response_alg"] = tenant.token_alg.name().into();
        if let Some(secret) = &secret {
            told["client_secret"] = secret.as_str().into();
        }
        println!("{told}");
        return Ok(ExitCode::SUCCESS);
    }
    print_proposal(&told, false)?;
    println!("issuer          {}", tenant.issuer);
    println!("discovery       {}/.well-known/openid-configuration", tenant.issuer);
    println!("client_id       {}", args.id);
    if let Some(secret) = &secret {
        println!("client_secret   {}   (shown once; nobody keeps it)", secret.as_str());
    }
    println!("authentication  {method}");
    println!("scope           {}", record.scope);
    println!("redirect_uri    {}", args.redirect_uris.join(" "));
    println!("algorithm       {} (id_token_signed_response_alg)", tenant.token_alg);
    Ok(ExitCode::SUCCESS)
}

async fn list(signed: &Signed) -> Result<ExitCode> {
    let registry = AdminClient::open(&signed.layout(), signed.admin_key())?
        .get("/admin/registry")
        .await?;
    if signed.json() {
        println!("{}", json!({ "clients": registry["clients"] }));
        return Ok(ExitCode::SUCCESS);
    }
    for client in registry["clients"].as_array().into_iter().flatten() {
        let state = if client["suspended"] == true {
            "suspended"
        } else {
            "active"
        };
        println!(
            "{:<24} {:<8} {state:<10} {}",
            text(&client["client_id"]),
            text(&client["type"]),
            text(&client["scope"])
        );
    }
    Ok(ExitCode::SUCCESS)
}
