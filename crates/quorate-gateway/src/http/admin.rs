//! Endpoints for administrators; every request is signed with an administrator's key.

use super::{App, respond};
use crate::{
    admin::{self, AdminError, Open},
    clock,
    ledger::read_entries,
    sequencer::{Reply, Request},
};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use quorate_protocol::coordinator::Order;
use quorate_rules::{
    Registry,
    cbor::{Array, Canonical},
    decision::Approval,
    name::PartyName,
    person::{ApplicationType, InteractiveClientRecord, UserRecord, credential_digest},
};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

fn allow(app: &App, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<(), Box<Response>> {
    let header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let registry = Arc::clone(&app.seen.borrow().registry);
    let parts = (method.as_str(), uri.path(), body);
    match admin::authenticate(&registry, header, parts, clock::now_ms()) {
        Some(_) => Ok(()),
        None => Err(Box::new(fail(
            StatusCode::UNAUTHORIZED,
            "sign this request with an administrator's key; see docs/OPERATING.md",
        ))),
    }
}

fn fail(status: StatusCode, what: &str) -> Response {
    respond(status, &json!({ "error": what }))
}

fn failed(error: &AdminError) -> Response {
    match error {
        AdminError::Refused(refusal) => respond(
            StatusCode::CONFLICT,
            &json!({ "error": error.to_string(), "refusal": refusal.code() }),
        ),
        AdminError::Unknown => fail(StatusCode::NOT_FOUND, &error.to_string()),
        AdminError::Store(_) => fail(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn described(open: &Open, app: &App, state: &str) -> serde_json::Value {
    let k = app.seen.borrow().registry.admins().map_or(0, |admins| admins.k);
    json!({
        "id": open.id,
        "state": state,
        "text": open.proposal.render(),
        "proposal": hex::encode(&open.body.proposal.0),
        "approvals": open.body.approvals.iter().map(|approval| approval.admin.as_str()).collect::<Vec<_>>(),
        "needed": if open.proposal.action.only_stops() { 1 } else { k },
        "expires_ms": open.proposal.expires_ms,
    })
}

fn state_of(open: &Open, app: &App) -> &'static str {
    let registry = Arc::clone(&app.seen.borrow().registry);
    match registry.check_proposal(&open.proposal, clock::now_ms()) {
        Err(quorate_protocol::Refusal::StaleProposal) => "stale",
        Err(_) => "refused",
        Ok(()) => "open",
    }
}

/// `POST /admin/proposals`: a canonical proposal. 202, because nothing is decided yet.
pub(super) async fn propose(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refused) = allow(&app, &method, &uri, &headers, &body) {
        return *refused;
    }
    let registry = Arc::clone(&app.seen.borrow().registry);
    match tokio::task::block_in_place(|| admin::put(app.store.as_ref(), &registry, &body, clock::now_ms())) {
        Ok(open) => respond(StatusCode::ACCEPTED, &described(&open, &app, "open")),
        Err(error) => failed(&error),
    }
}

/// `GET /admin/proposals`.
pub(super) async fn list(State(app): State<Arc<App>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if let Err(refused) = allow(&app, &method, &uri, &headers, &[]) {
        return *refused;
    }
    match tokio::task::block_in_place(|| admin::list(app.store.as_ref())) {
        Ok(all) => {
            let all: Vec<_> = all
                .iter()
                .map(|open| described(open, &app, state_of(open, &app)))
                .collect();
            respond(StatusCode::OK, &json!({ "proposals": all }))
        }
        Err(error) => failed(&error),
    }
}

/// `GET /admin/proposals/<id>`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Err(refused) = allow(&app, &method, &uri, &headers, &[]) {
        return *refused;
    }
    match tokio::task::block_in_place(|| admin::get(app.store.as_ref(), &id)) {
        Ok(open) => respond(StatusCode::OK, &described(&open, &app, state_of(&open, &app))),
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApprovalBody {
    admin: String,
    signature: String,
}

/// `POST /admin/proposals/<id>/approvals`: one approval. With enough of them the decision is logged.
pub(super) async fn approve(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refused) = allow(&app, &method, &uri, &headers, &body) {
        return *refused;
    }
    let read = || -> Option<Approval> {
        let body: ApprovalBody = serde_json::from_slice(&body).ok()?;
        let signature = hex::decode(body.signature).ok()?.try_into().ok()?;
        Some(Approval {
            admin: PartyName::new(body.admin).ok()?,
            signature: Array(signature),
        })
    };
    let Some(approval) = read() else {
        return fail(
            StatusCode::BAD_REQUEST,
            "expected {\"admin\": name, \"signature\": 128 hex digits}",
        );
    };
    let registry = Arc::clone(&app.seen.borrow().registry);
    let open = match tokio::task::block_in_place(|| admin::approve(app.store.as_ref(), &registry, &id, approval)) {
        Ok(open) => open,
        Err(error) => return failed(&error),
    };
    if !admin::is_carried(&open, &registry) {
        return respond(StatusCode::ACCEPTED, &described(&open, &app, "open"));
    }
    let (request, outcome) = Request::of(Order::Decision(open.body.clone()));
    if app.requests.send(request).await.is_err() {
        return fail(
            StatusCode::SERVICE_UNAVAILABLE,
            "the gateway is stopping; the proposal stays open",
        );
    }
    match outcome.await {
        Ok(Reply::Logged(_)) => {
            let removed = tokio::task::block_in_place(|| admin::remove(app.store.as_ref(), &id));
            if let Err(error) = removed {
                return failed(&error);
            }
            respond(StatusCode::ACCEPTED, &described(&open, &app, "logged"))
        }
        Ok(Reply::Refused(code)) => respond(
            StatusCode::CONFLICT,
            &json!({ "error": format!("refused: {code}"), "refusal": code }),
        ),
        _ => fail(
            StatusCode::SERVICE_UNAVAILABLE,
            "too few custodians answered; the proposal stays open, approve again",
        ),
    }
}

/// `GET /admin/registry`: what proposals are made on.
pub(super) async fn registry(State(app): State<Arc<App>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if let Err(refused) = allow(&app, &method, &uri, &headers, &[]) {
        return *refused;
    }
    let registry = Arc::clone(&app.seen.borrow().registry);
    let clients: Vec<_> = registry
        .clients()
        .map(|client| {
            json!({
                "client_id": client.id.as_str(),
                "type": "machine",
                "name": client.name.as_str(),
                "scope": client.scope.to_string(),
                "audience": client.audience.as_ref().map(|audience| audience.as_str()),
                "token_lifetime_s": client.token_lifetime_s,
                "sender_constrained": client.sender_constrained,
                "suspended": client.suspended,
                "keys": client.keys.iter().map(|key| json!({ "alg": key.jwk.alg(), "thumbprint": key.jwk.thumbprint() })).collect::<Vec<_>>(),
                "changed_at": registry.client_changed_at(&client.id),
            })
        })
        .chain(registry.interactive_clients().map(|client| interactive(&registry, client)))
        .collect();
    let users: Vec<_> = registry.users().map(|user| described_user(&registry, user)).collect();
    let admins = registry.admins();
    let body = json!({
        "issuer": registry.issuer().map(|issuer| issuer.as_str()),
        "log": app.committee.log(),
        "registry_root": hex::encode(registry.root().as_bytes()),
        "rules": registry.rules(),
        "admins": admins.map(|set| json!({
            "k": set.k,
            "admins": set.admins.iter().map(|admin| json!({ "name": admin.name.as_str(), "key": hex::encode(admin.key.0) })).collect::<Vec<_>>(),
        })),
        "gateways": registry.gateways().map(|gateway| gateway.name.as_str()).collect::<Vec<_>>(),
        "clients": clients,
        "users": users,
        "invitations": registry.invitations().map(|invitation| json!({
            "key": hex::encode(invitation.key.0), "sub": invitation.sub.as_str(), "expires_ms": invitation.expires_ms,
        })).collect::<Vec<_>>(),
        "pending": registry.pending().map(|pending| json!({
            "id": hex::encode(pending.id.0), "effective_ms": pending.effective_ms,
        })).collect::<Vec<_>>(),
    });
    respond(StatusCode::OK, &body)
}

fn interactive(registry: &Registry, client: &InteractiveClientRecord) -> serde_json::Value {
    json!({
        "client_id": client.id.as_str(),
        "type": match client.application_type {
            ApplicationType::Web => "web",
            ApplicationType::Native => "native",
            ApplicationType::SinglePage => "spa",
        },
        "name": client.name.as_str(),
        "scope": client.scope.to_string(),
        "redirect_uris": client.redirect_uris.iter().map(|uri| uri.as_str()).collect::<Vec<_>>(),
        "token_lifetime_s": client.token_lifetime_s,
        "suspended": client.suspended,
        "changed_at": registry.client_changed_at(&client.id),
    })
}

fn described_user(registry: &Registry, user: &UserRecord) -> serde_json::Value {
    let passkeys: Vec<_> = registry
        .credentials_of(&user.sub)
        .map(|(credential, index)| {
            json!({ "id": hex::encode(credential_digest(&credential.id).as_bytes()), "label": credential.label.as_str(), "enrolled_ms": credential.enrolled_ms, "index": index, "revoked": credential.revoked })
        })
        .collect();
    json!({
        "sub": user.sub.as_str(),
        "preferred_username": user.username.as_str(),
        "name": user.name.as_ref().map(|name| name.as_str()),
        "email": user.email.as_ref().map(|email| email.as_str()),
        "email_verified": user.email_verified,
        "groups": user.groups.iter().map(|group| group.as_str()).collect::<Vec<_>>(),
        "suspended": user.suspended,
        "passkeys": passkeys,
    })
}

/// `GET /admin/entries/<index>`: an entry with its open or sealed body, canonical CBOR.
pub(super) async fn entry(
    State(app): State<Arc<App>>,
    Path(index): Path<u64>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Err(refused) = allow(&app, &method, &uri, &headers, &[]) {
        return *refused;
    }
    match tokio::task::block_in_place(|| read_entries(app.store.as_ref(), index, 1)) {
        Ok(entries) => match entries.into_iter().next() {
            Some(entry) => ([(header::CONTENT_TYPE, "application/cbor")], entry.to_canonical()).into_response(),
            None => fail(StatusCode::NOT_FOUND, "the log has no such entry"),
        },
        Err(error) => fail(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
