//! Decisions: proposals, their one text rendering, and approvals k-of-m (PROTOCOL §8).

use crate::{
    Refusal, canonical,
    cbor::{Array, Canonical},
    claim::Claim,
    domain,
    jwk::PublicJwk,
    name::{ClientId, Issuer, PartyName, Subject},
    person::{ApplicationType, ClientAuthentication, Pkce},
    record::{
        AdminSet, ClientKey, ClientPrivateRecord, ClientRecord, GatewayRecord, InteractiveClientRecord, UserRecord, hex,
    },
};
use minicbor::{Decode, Encode};
use quorate_tlog::hash::{Hash, sha256};
use std::collections::BTreeSet;

/// A change that administrators are asked to approve.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Proposal {
    /// Format version, 1.
    #[n(0)]
    pub version: u8,
    /// The tenant that it is for.
    #[n(1)]
    pub issuer: Issuer,
    /// The log that it is for.
    #[n(2)]
    pub log: u64,
    /// Root of the registry that it was made on; any change in between makes it stale.
    #[n(3)]
    pub registry_root: Array<32>,
    /// When it was made, milliseconds.
    #[n(4)]
    pub created_ms: u64,
    /// After this time it can no longer be logged, milliseconds.
    #[n(5)]
    pub expires_ms: u64,
    /// What it changes.
    #[n(6)]
    pub action: Action,
}

/// What a proposal changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Action {
    /// Adds a client or replaces its record.
    #[n(0)]
    PutClient(#[n(0)] ClientRecord),
    /// Stops a client at once.
    #[n(1)]
    SuspendClient(#[n(0)] ClientId),
    /// Replaces the administrators.
    #[n(2)]
    SetAdmins(#[n(0)] AdminSet),
    /// Enrols a gateway or replaces its key.
    #[n(3)]
    PutGateway(#[n(0)] GatewayRecord),
    /// Stops a gateway at once.
    #[n(4)]
    RemoveGateway(#[n(0)] PartyName),
    /// Puts a rules version in force.
    #[n(5)]
    ActivateRules(#[n(0)] u16),
    /// Cancels a decision that waits, by its digest.
    #[n(6)]
    Cancel(#[n(0)] Array<32>),
    /// Adds a client that people sign in to, or replaces its record.
    #[n(7)]
    PutInteractiveClient(#[n(0)] InteractiveClientRecord, #[n(1)] ClientPrivateRecord),
    /// Adds a person, or replaces what is said of one, and opens an invitation to enrol a passkey.
    #[n(8)]
    Invite(#[n(0)] UserRecord, #[n(1)] Array<32>, #[n(2)] u64),
    /// Stops a person's account at once.
    #[n(9)]
    SuspendUser(#[n(0)] Subject),
    /// Stops a passkey at once, by the digest of its credential id.
    #[n(10)]
    StopPasskey(#[n(0)] Array<32>),
}

impl Action {
    /// Stopping needs one, granting needs k.
    pub const fn only_stops(&self) -> bool {
        matches!(
            self,
            Self::SuspendClient(_)
                | Self::RemoveGateway(_)
                | Self::Cancel(_)
                | Self::SuspendUser(_)
                | Self::StopPasskey(_)
        )
    }
}

/// One administrator's signature over a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Approval {
    /// Who approves.
    #[n(0)]
    pub admin: PartyName,
    /// Ed25519 signature over [`Proposal::digest`].
    #[n(1)]
    pub signature: Array<64>,
}

canonical!(Proposal => "proposal", Approval => "approval");

impl Proposal {
    /// Longest time that a proposal may be open: 30 days.
    pub const MAX_OPEN_MS: u64 = 30 * 24 * 3600 * 1000;

    /// What administrators sign: domain, registry root, canonical proposal.
    pub fn digest(&self) -> Hash {
        sha256(&[domain::DECISION, &self.registry_root.0, &self.to_canonical()])
    }

    /// The one normative text of this proposal. Two people who see the same text see the same proposal.
    pub fn render(&self) -> String {
        let mut text = format!(
            "Quorate proposal {}\ntenant   {} (log {})\nexpires  {} ms\nchange   ",
            hex(self.digest().as_bytes()),
            self.issuer,
            self.log,
            self.expires_ms
        );
        match &self.action {
            Action::PutClient(client) => render_client(&mut text, client),
            Action::SuspendClient(id) => text.push_str(&format!("stop client {id}\n")),
            Action::SetAdmins(set) => {
                text.push_str(&format!("administrators, {} of {} decide\n", set.k, set.admins.len()));
                for admin in &set.admins {
                    text.push_str(&format!("  {} {}\n", admin.name, hex(&admin.key.0)));
                }
            }
            Action::PutGateway(gateway) => {
                text.push_str(&format!(
                    "enrol gateway {} with key {}\n",
                    gateway.name,
                    hex(&gateway.link_key.0)
                ));
            }
            Action::RemoveGateway(name) => text.push_str(&format!("stop gateway {name}\n")),
            Action::ActivateRules(version) => text.push_str(&format!("put rules version {version} in force\n")),
            Action::Cancel(id) => text.push_str(&format!("cancel the waiting decision {}\n", hex(&id.0))),
            Action::PutInteractiveClient(client, private) => render_interactive(&mut text, client, private),
            Action::Invite(user, key, expires_ms) => {
                render_user(&mut text, user);
                text.push_str(&format!("  invited by key {} until {expires_ms} ms\n", hex(&key.0)));
            }
            Action::StopPasskey(id) => text.push_str(&format!("stop passkey {}\n", hex(&id.0))),
            Action::SuspendUser(sub) => text.push_str(&format!("stop user {sub}\n")),
        }
        text
    }
}

fn render_user(text: &mut String, user: &UserRecord) {
    text.push_str(&format!("user {} ({})\n", user.username, user.sub));
    text.push_str(&format!(
        "  name      {}\n",
        user.name.as_ref().map_or("-", |name| name.as_str())
    ));
    let verified = if user.email_verified {
        "verified"
    } else {
        "not verified"
    };
    match &user.email {
        Some(email) => text.push_str(&format!("  email     {email} ({verified})\n")),
        None => text.push_str("  email     -\n"),
    }
    for group in &user.groups {
        text.push_str(&format!("  group     {group}\n"));
    }
    text.push_str(&format!("  state     {}\n", state(user.suspended)));
}

fn render_interactive(text: &mut String, client: &InteractiveClientRecord, private: &ClientPrivateRecord) {
    text.push_str(&format!("interactive client {} ({})\n", client.id, client.name));
    text.push_str(&format!(
        "  type      {}\n",
        match client.application_type {
            ApplicationType::Web => "web",
            ApplicationType::Native => "native",
            ApplicationType::SinglePage => "single-page",
        }
    ));
    for uri in &client.redirect_uris {
        text.push_str(&format!("  redirect  {uri}\n"));
    }
    for uri in &client.post_logout_redirect_uris {
        text.push_str(&format!("  logout    {uri}\n"));
    }
    text.push_str(&format!("  scope     {}\n", client.scope));
    for resource in &client.resources {
        text.push_str(&format!("  resource  {resource}\n"));
    }
    text.push_str(&format!(
        "  proof     {}\n",
        match (client.authentication, &private.secret) {
            (ClientAuthentication::None, _) => "none",
            (ClientAuthentication::PrivateKeyJwt, _) => "private_key_jwt",
            (ClientAuthentication::ClientSecret, _) => "client secret",
        }
    ));
    text.push_str(&format!(
        "  pkce      {}\n",
        match client.pkce {
            Pkce::Required => "required",
            Pkce::Optional => "optional: an injected code is noticed only by the client's own nonce check",
        }
    ));
    text.push_str(&format!("  silent    {}\n", if client.silent { "yes" } else { "no" }));
    let list = |claims: &[Claim]| claims.iter().map(|claim| claim.name()).collect::<Vec<_>>().join(" ");
    text.push_str(&format!("  id token  {}\n", list(&client.id_token_claims)));
    text.push_str(&format!("  access    {}\n", list(&client.access_token_claims)));
    text.push_str(&format!("  lifetime  {} s\n", client.token_lifetime_s));
    text.push_str(&format!("  state     {}\n", state(client.suspended)));
    render_keys(text, &client.keys);
}

const fn state(suspended: bool) -> &'static str {
    if suspended { "suspended" } else { "active" }
}

fn render_keys(text: &mut String, keys: &[ClientKey]) {
    for key in keys {
        text.push_str(&format!("  key       {} {}", key.jwk.alg(), key.jwk.thumbprint()));
        if let Some(kid) = &key.kid {
            text.push_str(&format!(" named {kid:?}"));
        }
        text.push('\n');
    }
}

fn render_client(text: &mut String, client: &ClientRecord) {
    text.push_str(&format!("client {} ({})\n", client.id, client.name));
    text.push_str(&format!("  scope     {}\n", client.scope));
    text.push_str(&format!(
        "  audience  {}\n",
        client.audience.as_ref().map_or("the issuer", |a| a.as_str())
    ));
    text.push_str(&format!("  lifetime  {} s\n", client.token_lifetime_s));
    text.push_str(&format!(
        "  bound     {}\n",
        if client.sender_constrained { "to its key" } else { "no" }
    ));
    text.push_str(&format!("  state     {}\n", state(client.suspended)));
    render_keys(text, &client.keys);
}

/// Checks approvals against the administrators in force: distinct, known, verified, and enough for the action.
pub fn check_approvals(proposal: &Proposal, approvals: &[Approval], admins: &AdminSet) -> Result<(), Refusal> {
    let digest = proposal.digest();
    let mut seen = BTreeSet::new();
    if approvals.len() > AdminSet::MAX {
        return Err(Refusal::Oversize);
    }
    for approval in approvals {
        let admin = admins.find(&approval.admin).ok_or(Refusal::BadApproval)?;
        if !seen.insert(&admin.name) {
            return Err(Refusal::DoubledApproval);
        }
        if !PublicJwk::Ed25519(admin.key).verify(digest.as_bytes(), &approval.signature.0) {
            return Err(Refusal::BadApproval);
        }
    }
    let needed = if proposal.action.only_stops() {
        1
    } else {
        usize::from(admins.k)
    };
    if seen.len() < needed {
        Err(Refusal::TooFewApprovals)
    } else {
        Ok(())
    }
}
