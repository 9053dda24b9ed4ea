//! What people do for themselves: enrol passkeys, see what was issued in their name, stop it.

use super::{
    App, binary_member, forbidden, leaves_for, no_store, refused_by_rules, respond, sign_in::read_assertion, told,
    userinfo::authenticate,
};
use crate::{
    anchors::base64,
    ledger::read_entries,
    oauth::OAuthError,
    sequencer::{Reply, Request},
};
use axum::{
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
};
use bytes::Bytes;
use quorate_protocol::coordinator::Order;
use quorate_rules::{
    Leaf, Refusal,
    cbor::{Array, Bytes as ByteString, Canonical},
    enrolment::EnrolmentBody,
    json::StrictObject,
    revocation::{RevocationBody, RevocationStatement},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Scope that lets the account page look at what is its owner's.
const ACCOUNT: &str = "quorate:account";
/// Most entries in one answer.
const MAX_ENTRIES: usize = 64;

/// `POST /enrolments`
pub(super) async fn enrol(State(app): State<Arc<App>>, body: Bytes) -> Response {
    let read = || -> Option<EnrolmentBody> {
        StrictObject::parse(&body)?;
        let value: Value = serde_json::from_slice(&body).ok()?;
        let seed_signature = match value.get("seed_signature") {
            None => None,
            Some(_) => Some(Array(binary_member(&value, "seed_signature")?.try_into().ok()?)),
        };
        let tap = match value.get("tap") {
            None => None,
            Some(tap) => Some(read_assertion(tap)?),
        };
        Some(EnrolmentBody {
            statement: ByteString(binary_member(&value, "statement")?),
            seed_signature,
            tap,
            credential: read_assertion(value.get("credential")?)?,
        })
    };
    let Some(enrolment) = read() else {
        return malformed("expected a statement with its signatures; see docs/spec/person.md");
    };
    let credential_id = enrolment.credential.credential_id.clone();
    match logged(&app, Order::Enrolment(enrolment)).await {
        Ok(index) => {
            let registry = Arc::clone(&app.seen.borrow().registry);
            let sub = registry
                .credential(&credential_id)
                .map(|credential| credential.sub.to_string());
            no_store(respond(StatusCode::CREATED, &json!({ "index": index, "sub": sub })))
        }
        Err(refused) => *refused,
    }
}

/// `POST /revocations`
pub(super) async fn revoke(State(app): State<Arc<App>>, body: Bytes) -> Response {
    let read = || -> Option<(RevocationBody, u64)> {
        StrictObject::parse(&body)?;
        let value: Value = serde_json::from_slice(&body).ok()?;
        let statement = binary_member(&value, "statement")?;
        let index = RevocationStatement::from_canonical(&statement).ok()?.index;
        let tap = read_assertion(value.get("tap")?)?;
        Some((RevocationBody::ByOwner(ByteString(statement), tap), index))
    };
    let Some((revocation, index)) = read() else {
        return malformed("expected a statement with a passkey's answer; see docs/spec/person.md");
    };
    let leaves = leaves_for(&app, index);
    match logged(&app, Order::Revocation(revocation, leaves)).await {
        Ok(index) => no_store(respond(StatusCode::CREATED, &json!({ "index": index }))),
        Err(refused) => *refused,
    }
}

fn malformed(what: &str) -> Response {
    forbidden(StatusCode::BAD_REQUEST, "invalid_request", what)
}

/// Has an entry logged; its index.
async fn logged(app: &App, order: Order) -> Result<u64, Box<Response>> {
    let (request, outcome) = Request::of(order);
    let unavailable = || Box::new(told(&OAuthError::unavailable("too few custodians answered; try again")));
    app.requests.try_send(request).map_err(|_| unavailable())?;
    match outcome.await {
        Ok(Reply::Logged(index)) => Ok(index),
        Ok(Reply::Refused(code)) => match Refusal::from_code(&code) {
            Some(refusal) => Err(Box::new(refused_by_rules(refusal))),
            None => Err(unavailable()),
        },
        _ => Err(unavailable()),
    }
}

/// `GET /account`
pub(super) async fn account(State(app): State<Arc<App>>, method: Method, headers: HeaderMap) -> Response {
    let bearer = match authenticate(&app, (&method, "/account"), &headers, &[], ACCOUNT) {
        Ok(bearer) => bearer,
        Err(refused) => return *refused,
    };
    let registry = Arc::clone(&app.seen.borrow().registry);
    let Some(user) = registry.user(&bearer.sub) else {
        return forbidden(StatusCode::NOT_FOUND, "unknown_record", "there is no such account");
    };
    let passkeys: Vec<_> = registry
        .credentials_of(&bearer.sub)
        .map(|(credential, index)| {
            json!({
                "credential_id": base64(&credential.id),
                "label": credential.label.as_str(),
                "index": index,
                "time_ms": credential.enrolled_ms,
                "revoked": credential.revoked,
            })
        })
        .collect();
    let answer = json!({
        "sub": user.sub.as_str(),
        "preferred_username": user.username.as_str(),
        "name": user.name.as_ref().map(|name| name.as_str()),
        "email": user.email.as_ref().map(|email| email.as_str()),
        "groups": user.groups.iter().map(|group| group.as_str()).collect::<Vec<_>>(),
        "passkeys": passkeys,
    });
    no_store(respond(StatusCode::OK, &answer))
}

/// Which entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntriesQuery {
    index: String,
}

/// `GET /account/entries?index=1,2,…`: openings of leaves that carry the bearer's own tag, sealed to the bearer.
pub(super) async fn entries(State(app): State<Arc<App>>, uri: Uri, method: Method, headers: HeaderMap) -> Response {
    let bearer = match authenticate(&app, (&method, "/account/entries"), &headers, &[], ACCOUNT) {
        Ok(bearer) => bearer,
        Err(refused) => return *refused,
    };
    let query: Option<EntriesQuery> = serde_urlencoded::from_str(uri.query().unwrap_or_default()).ok();
    let indices: Option<Vec<u64>> =
        query.and_then(|query| query.index.split(',').map(|index| index.parse().ok()).collect());
    let Some(indices) = indices.filter(|indices| indices.len() <= MAX_ENTRIES) else {
        return malformed("expected index=1,2,… with at most 64 indices");
    };
    let registry = Arc::clone(&app.seen.borrow().registry);
    let Some(tag_key) = registry.user(&bearer.sub).and_then(|user| user.tag_key.clone()) else {
        return forbidden(StatusCode::FORBIDDEN, "refused", "this account has no entries");
    };
    let size = app.seen.borrow().head.size;
    let found = tokio::task::block_in_place(|| {
        let mut found = Vec::new();
        for index in indices {
            let entry = if index < size {
                read_entries(app.store.as_ref(), index, 1)?.into_iter().next()
            } else {
                None
            };
            found.push((index, entry));
        }
        Ok::<_, crate::ledger::LedgerError>(found)
    });
    let Ok(found) = found else {
        return told(&OAuthError::unavailable(
            "the gateway's store does not answer; try again",
        ));
    };
    let mut sealed = Vec::new();
    for (index, entry) in found {
        let Some(entry) = entry else { continue };
        let own =
            Leaf::decode(&entry.leaf.0).is_ok_and(|leaf| leaf.subject_tag == tag_key.tag(app.committee.log(), index));
        if !own {
            return forbidden(StatusCode::FORBIDDEN, "refused", "one of these entries is not yours");
        }
        if let Some(bytes) = &entry.for_subject {
            sealed.push(json!({ "index": index, "sealed": base64(bytes) }));
        }
    }
    no_store(respond(StatusCode::OK, &json!({ "entries": sealed })))
}
