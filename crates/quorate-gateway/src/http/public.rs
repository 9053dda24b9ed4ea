//! Endpoints for everybody.

use super::{App, RETRY_AFTER, respond};
use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use quorate_protocol::message::Follow;
use quorate_rules::cbor::Canonical;
use serde_json::json;
use std::sync::Arc;

/// `GET /log/<number>/…`: checkpoint, tiles, and `keys`, the certificate of the tenant's keys.
pub(super) async fn log(State(app): State<Arc<App>>, Path((number, path)): Path<(u64, String)>) -> Response {
    if number != app.committee.log() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let published = Arc::clone(&app.published);
    if path == "keys" {
        let keys = tokio::task::spawn_blocking(move || keys(&app)).await;
        return match keys {
            Ok(Some(bytes)) => binary(bytes, "application/cbor", "no-store"),
            _ => (StatusCode::NOT_FOUND, "the keys are not published yet").into_response(),
        };
    }
    let (kind, caching) = if path == crate::publish::CHECKPOINT {
        ("text/plain; charset=utf-8", "public, max-age=1")
    } else {
        ("application/octet-stream", "public, max-age=31536000, immutable")
    };
    match tokio::task::spawn_blocking(move || published.get(&path)).await {
        Ok(Ok(Some(bytes))) => binary(bytes, kind, caching),
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Genesis and keys entries under a certificate: whoever has genesis checks it against nothing but genesis.
fn keys(app: &App) -> Option<Vec<u8>> {
    let entries = crate::ledger::read_entries(app.store.as_ref(), 0, 2).ok()?;
    let (certificate, consistency) = app.published.prove_prefix(2)?;
    let origin = app.committee.origin().to_owned();
    Some(
        Follow {
            origin,
            from: 0,
            entries,
            certificate,
            consistency,
        }
        .to_canonical(),
    )
}

fn binary(bytes: Vec<u8>, kind: &'static str, caching: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, caching)], bytes).into_response()
}

/// `GET /healthz`: the process answers.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: tokens can be issued.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.seen.borrow().ready {
        "ready\n".into_response()
    } else {
        let headers = [(header::RETRY_AFTER, RETRY_AFTER)];
        (StatusCode::SERVICE_UNAVAILABLE, headers, "too few custodians vote\n").into_response()
    }
}

/// `GET /metrics`: Prometheus text, the custodians' figures included.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    metrics::gauge!("quorate_gateway_fsyncs").set(app.store.fsyncs() as f64);
    metrics::gauge!("quorate_custodians_voting").set(app.custodians.voting().len() as f64);
    let mut text = app.metrics.render();
    for number in app.custodians.linked() {
        for line in app.custodians.counters(number).await.unwrap_or_default().lines() {
            let mut words = line.split(' ');
            let number_of = |text: &str| text.parse::<u64>().ok();
            let (name, value) = (words.next().unwrap_or_default(), words.next().and_then(number_of));
            let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if let (true, Some(value), None) = (plain, value, words.next()) {
                text.push_str(&format!("quorate_custodian_{name}{{custodian=\"{number}\"}} {value}\n"));
            }
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// `GET /status`: where everybody stands; nothing in it is secret.
pub(super) async fn status(State(app): State<Arc<App>>) -> Response {
    let seen = app.seen.borrow().clone();
    let rule = app.committee.rule();
    let voting = app.custodians.voting().len();
    let custodians: Vec<_> = app
        .custodians
        .known()
        .into_iter()
        .map(|(number, (linked, known))| {
            let status = known.status.as_ref();
            json!({
                "custodian": number,
                "name": app.committee.custodian(number).map(|record| record.name.as_str()),
                "linked": linked,
                "standing": status.map(|status| format!("{:?}", status.standing).to_lowercase()),
                "last_seen_ms": known.last_seen_ms,
                "size": status.map(|status| status.certified.size),
                "root": status.map(|status| status.certified.root.to_base64()),
                "view": status.map(|status| status.view.0),
                "epoch": status.map(|status| status.epoch),
                "incarnation": known.incarnation,
                "answer_us": known.answer_us,
                "suspect": known.suspect,
                "refused": known.refused.map(|(refusal, _)| refusal.code()),
            })
        })
        .collect();
    let bans: Vec<_> = app
        .custodians
        .bans()
        .into_iter()
        .map(|(by, custodian)| json!({ "by": by, "custodian": custodian }))
        .collect();
    let body = json!({
        "bans": bans,
        "issuer": app.committee.body().issuer.as_str(),
        "origin": app.committee.origin(),
        "demo": app.committee.body().demo,
        "token_alg": app.committee.body().token_alg.name(),
        "ready": seen.ready,
        "view": seen.view.0,
        "size": seen.head.size,
        "root": seen.head.root.to_base64(),
        "key_generation": seen.generating.map(|(done, of)| json!({ "rounds_done": done, "of": of })),
        "published": app.published.head().map(|head| head.size),
        "quorum": { "custodians": rule.custodians(), "threshold": rule.threshold(), "faulty": rule.faulty() },
        "voting": voting,
        "margin": i64::try_from(voting).unwrap_or(0) - i64::from(rule.threshold()),
        "custodians": custodians,
    });
    respond(StatusCode::OK, &body)
}
