//! What the demonstration is furnished with, by the decisions of its one administrator: a machine, the account page, a relying party, and an
//! invitation for the first person.

use crate::{
    admin::{AdminClient, text},
    client::{machine, new_secret, private, single_page},
    client_key::ClientKey,
    clock,
    layout::{Layout, TenantFile},
    user,
};
use anyhow::Result;
use quorate_rules::{
    decision::Action,
    name::{DisplayName, Email, GroupName, Issuer},
    person::{ApplicationType, ClientAuthentication, InteractiveClientRecord, UserRecord},
    redirect::RedirectUri,
};
use quorate_store::file;
use serde_json::Value;
use zeroize::Zeroizing;

/// The machine.
pub const DEMO_CLIENT: &str = "demo-service";
/// Its scope.
const DEMO_SCOPE: &str = "demo.read demo.write";
/// The relying party that `up` runs.
pub const DEMO_APPLICATION: &str = "demo-app";
/// The account page: an ordinary client of its own issuer.
pub const ACCOUNT: &str = "quorate-account";
/// The first person.
pub const DEMO_USER: &str = "demo";
/// Hours that the first invitation stays open.
const OPEN_HOURS: u64 = 30 * 24;

/// Registers what is not there yet. The link of the first person's invitation, while it is open.
pub async fn register(layout: &Layout, tenant: &TenantFile, say: &impl Fn(&str)) -> Result<Option<String>> {
    if !layout.admin_key().exists() {
        return Ok(None);
    }
    let admin = AdminClient::open(layout, None)?;
    let registry = admin.get("/admin/registry").await?;
    // After the administrators were replaced, the demonstration's own key decides nothing any more.
    let mut clients = registry["clients"].as_array().into_iter().flatten();
    let known: Vec<String> = clients
        .by_ref()
        .map(|client| text(&client["client_id"]).to_owned())
        .collect();
    let missing = |id: &str| !known.iter().any(|known| known == id);
    if missing(DEMO_CLIENT) {
        admin
            .propose(Action::PutClient(machine(
                DEMO_CLIENT,
                DEMO_SCOPE,
                machine_key(layout)?,
            )?))
            .await?;
        say(&format!("  registered {DEMO_CLIENT} by a signed decision"));
    }
    let issuer = Issuer::new(tenant.issuer.clone())?;
    if missing(ACCOUNT) {
        let scope = "openid profile email groups quorate:account";
        let record = single_page(ACCOUNT, "Your account", &format!("{issuer}/account"), scope)?;
        let private = private(&record.id, &issuer, None);
        admin.propose(Action::PutInteractiveClient(record, private)).await?;
        say(&format!("  registered {ACCOUNT} by a signed decision"));
    }
    if missing(DEMO_APPLICATION) {
        // Kept before it is registered: a start that dies in between registers the same secret the next time.
        let place = layout.client_secret(DEMO_APPLICATION);
        let secret = match file::read_bounded(&place, 1024)? {
            Some(secret) => Zeroizing::new(String::from_utf8(secret)?),
            None => new_secret(),
        };
        file::write_secret(&place, secret.as_bytes())?;
        let record = demo_application(tenant)?;
        let private = private(&record.id, &issuer, Some(&secret));
        admin.propose(Action::PutInteractiveClient(record, private)).await?;
        say(&format!("  registered {DEMO_APPLICATION} by a signed decision"));
    }
    invite(&admin, layout, tenant, &registry).await
}

fn machine_key(layout: &Layout) -> Result<quorate_rules::jwk::PublicJwk> {
    let place = layout.client_key(DEMO_CLIENT);
    if place.exists() {
        return Ok(ClientKey::read(&place)?.public().clone());
    }
    let key = ClientKey::generate("ES256")?;
    key.write(&place)?;
    Ok(key.public().clone())
}

fn demo_application(tenant: &TenantFile) -> Result<InteractiveClientRecord> {
    let url = tenant.demo_url();
    Ok(InteractiveClientRecord {
        application_type: ApplicationType::Web,
        authentication: ClientAuthentication::ClientSecret,
        post_logout_redirect_uris: vec![RedirectUri::new(format!("{url}/"))?],
        silent: true,
        id_token_claims: quorate_rules::claim::Claim::ALL.to_vec(),
        ..single_page(
            DEMO_APPLICATION,
            "Quorate demo",
            &format!("{url}/callback"),
            "openid profile email groups",
        )?
    })
}

/// The link of an invitation that is open, or of a new one for a person who has no passkey yet.
async fn invite(admin: &AdminClient, layout: &Layout, tenant: &TenantFile, registry: &Value) -> Result<Option<String>> {
    let user = registry["users"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|user| user["preferred_username"] == DEMO_USER);
    let enrolled = user.is_some_and(|user| user["passkeys"].as_array().is_some_and(|passkeys| !passkeys.is_empty()));
    let place = layout.invitation();
    if enrolled {
        let _ = std::fs::remove_file(place);
        return Ok(None);
    }
    let open = user.is_some_and(|user| {
        let mut invitations = registry["invitations"].as_array().into_iter().flatten();
        invitations.any(|one| one["sub"] == user["sub"] && one["expires_ms"].as_u64() > Some(clock::now_ms()))
    });
    if let (true, Some(link)) = (open, file::read_bounded(&place, 1024)?) {
        return Ok(Some(String::from_utf8(link)?));
    }
    let user = UserRecord {
        name: Some(DisplayName::new("Demo Person")?),
        email: Some(Email::new("demo@example.org")?),
        email_verified: true,
        groups: vec![GroupName::new("demo")?],
        ..user::named(registry, DEMO_USER)?
    };
    let invitation = user::invitation(&tenant.issuer, user, OPEN_HOURS)?;
    admin.propose(invitation.action).await?;
    file::write_secret(&place, invitation.link.as_bytes())?;
    Ok(Some(invitation.link.to_string()))
}
