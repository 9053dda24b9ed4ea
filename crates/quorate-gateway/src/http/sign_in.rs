//! What the sign-in page asks: anchors, records with their proofs, and to keep an authorization until its code is redeemed.

use super::{App, binary_member, forbidden, leaves_for, no_store, refused_by_rules, respond, told};
use crate::{
    anchors::{page_anchor, proven_record},
    clock,
    codes::KeepError,
    oauth::OAuthError,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use bytes::Bytes;
use quorate_rules::{
    anchor::Past,
    cbor::{Array, Bytes as ByteString},
    evidence::{Answer, SignIn, Tap},
    json::StrictObject,
    sign_in::authorize,
    webauthn::Assertion,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `GET /anchor`
pub(super) async fn anchor(State(app): State<Arc<App>>) -> Response {
    match app.anchors.fresh().await {
        Some(anchor) => no_store(respond(StatusCode::OK, &page_anchor(&anchor))),
        None => told(&no_anchor()),
    }
}

/// `GET /registry/<kind>/<name>`: a record that pages may read, under a fresh anchor.
pub(super) async fn record(State(app): State<Arc<App>>, Path((kind, name)): Path<(String, String)>) -> Response {
    let unknown = || {
        told(&OAuthError::new(
            "unknown_record",
            "there is no such record, or it is not public",
        ))
    };
    if kind.len() + name.len() > 160 {
        return unknown();
    }
    let Some(anchor) = app.anchors.fresh().await else {
        return told(&no_anchor());
    };
    let proven = tokio::task::block_in_place(|| proven_record(&anchor, &format!("{kind}/{name}")));
    match proven {
        Some(value) => no_store(respond(StatusCode::OK, &value)),
        None => unknown(),
    }
}

fn no_anchor() -> OAuthError {
    OAuthError::unavailable("the log stands still at the moment; try again shortly")
}

/// `POST /grants`: judged before it is kept, so that nobody fills the store; first write wins.
pub(super) async fn grant(State(app): State<Arc<App>>, body: Bytes) -> Response {
    let Some(sign_in) = read_sign_in(&body) else {
        return forbidden(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "expected a grant with the answer of a passkey or a session key; see docs/spec/person.md",
        );
    };
    let leaves = sign_in
        .asks_for_leaf()
        .map_or_else(BTreeMap::new, |index| leaves_for(&app, index));
    let (registry, heads, time_ms) = {
        let seen = app.seen.borrow();
        (Arc::clone(&seen.registry), Arc::clone(&seen.heads), seen.time_ms)
    };
    let past = Past {
        heads: &heads,
        leaves: &leaves,
    };
    let authorized = authorize(&registry, &past, &sign_in);
    let authorized = authorized.and_then(|authorized| {
        authorized.check_time(clock::now_ms().max(time_ms))?;
        Ok(authorized)
    });
    let authorized = match authorized {
        Ok(authorized) => authorized,
        Err(refusal) => return refused_by_rules(refusal),
    };
    let code_hash = authorized.authorization().code_hash;
    match app.codes.keep(code_hash, sign_in, authorized.dies_ms()).await {
        Ok(()) => no_store(respond(StatusCode::CREATED, &json!({}))),
        Err(error @ KeepError::Taken) => told(&OAuthError::new("code_taken", error.to_string())),
        Err(error @ KeepError::Unavailable) => told(&OAuthError::unavailable(&error.to_string())),
    }
}

fn read_sign_in(body: &[u8]) -> Option<SignIn> {
    StrictObject::parse(body)?;
    let value: Value = serde_json::from_slice(body).ok()?;
    let grant = ByteString(binary_member(&value, "grant")?);
    let answer = if let Some(tap) = value.get("tap") {
        let signature = binary_member(&value, "signature")?.try_into().ok()?;
        let tap = Tap {
            grant: ByteString(binary_member(tap, "grant")?),
            assertion: read_assertion(tap)?,
        };
        Answer::Session(Array(signature), tap)
    } else {
        Answer::Passkey(read_assertion(&value)?)
    };
    Some(SignIn { grant, answer })
}

/// A passkey's answer.
pub(super) fn read_assertion(value: &Value) -> Option<Assertion> {
    let member = |name| binary_member(value, name).map(ByteString);
    Some(Assertion {
        credential_id: member("credential_id")?,
        authenticator_data: member("authenticator_data")?,
        client_data: member("client_data")?,
        signature: member("signature")?,
    })
}
