//! Endpoints for everybody.

use super::{App, json};
use crate::{
    clock,
    oauth::{self, ErrorBody, OAuthError, TokenRequest},
    sequencer::{Reply, Request},
};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use quorate_protocol::{
    coordinator::{Order, Token},
    message::Follow,
};
use quorate_rules::{Evidence, Refusal, cbor::Canonical, judge::judge};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::{mpsc::error::TrySendError, oneshot};

/// Seconds after which a client that was turned away may come back.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// `POST /token` (RFC 6749 §4.4, RFC 7523).
pub(super) async fn token(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let began = tokio::time::Instant::now();
    let outcome = issue(&app, &headers, &body).await;
    let label = outcome.as_ref().map_or_else(|error| error.error, |_| "ok");
    metrics::counter!("quorate_token_requests_total", "outcome" => label).increment(1);
    metrics::histogram!("quorate_token_seconds").record(began.elapsed().as_secs_f64());
    match outcome {
        Ok(token) => {
            let body = json!({
                "access_token": token.jwt,
                "token_type": "Bearer",
                "expires_in": token.grant.lifetime_s(),
                "scope": token.grant.scope().to_string(),
            });
            no_store(json(StatusCode::OK, &body))
        }
        Err(error) => told(&error),
    }
}

async fn issue(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<Token, OAuthError> {
    let form_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let form_type = form_type.split(';').next().unwrap_or_default().trim();
    if !form_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(oauth::bad_form("the body must be application/x-www-form-urlencoded"));
    }
    let form: Vec<(String, String)> =
        serde_urlencoded::from_bytes(body).map_err(|_| oauth::bad_form("the body is not a form"))?;
    let request = oauth::read_request(&form, headers.contains_key(header::AUTHORIZATION))?;
    let (quorum, registry) = {
        let seen = app.seen.borrow();
        (seen.quorum, Arc::clone(&seen.registry))
    };
    if !quorum {
        return Err(OAuthError::unavailable(
            "too few custodians are reachable; try again shortly",
        ));
    }
    let evidence = Evidence::ClientKey(request.assertion.clone());
    let grant = judge(&registry, &evidence, clock::now_ms()).map_err(oauth::told)?;
    oauth::check_unsigned(&request, &grant)?;
    let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let traceparent = traceparent.filter(|value| is_traceparent(value)).map(str::to_owned);
    let order = Order::Token {
        evidence,
        judged: Some((registry.root(), grant)),
        traceparent,
    };
    wait(app, order, &request).await
}

async fn wait(app: &App, order: Order, request: &TokenRequest) -> Result<Token, OAuthError> {
    let (reply, outcome) = oneshot::channel();
    match app.requests.try_send(Request {
        order,
        since_ms: clock::now_ms(),
        reply,
    }) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => {
            return Err(OAuthError::unavailable(
                "too many requests are waiting; try again shortly",
            ));
        }
        Err(TrySendError::Closed(_)) => return Err(OAuthError::unavailable("the gateway is stopping")),
    }
    match outcome.await {
        Ok(Reply::Token(token)) => {
            // The registry may have changed while the request waited; what is handed out must still be what was asked for.
            oauth::check_unsigned(request, &token.grant)?;
            Ok(*token)
        }
        Ok(Reply::Refused(code)) => Err(Refusal::from_code(&code).map_or_else(
            || OAuthError::unavailable("the custodians could not sign; try again"),
            oauth::told,
        )),
        Ok(Reply::Logged | Reply::Unavailable) | Err(_) => Err(OAuthError::unavailable(
            "too few custodians answered; try again with a new assertion",
        )),
    }
}

/// W3C Trace Context: `00-<32 hex>-<16 hex>-<2 hex>`.
fn is_traceparent(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    matches!(parts.as_slice(), [version, trace, span, flags]
        if hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2))
}

fn told(error: &OAuthError) -> Response {
    let body = ErrorBody {
        error: error.error,
        error_description: &error.description,
    };
    let mut response = no_store(json(error.status, &body));
    if error.status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

fn no_store(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
        .headers_mut()
        .insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

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
    let body = json!({
        "issuer": app.committee.body().issuer.as_str(),
        "origin": app.committee.origin(),
        "demo": app.committee.body().demo,
        "ready": seen.ready,
        "view": seen.view.0,
        "size": seen.head.size,
        "root": seen.head.root.to_base64(),
        "published": app.published.head().map(|head| head.size),
        "quorum": { "custodians": rule.custodians(), "threshold": rule.threshold(), "faulty": rule.faulty() },
        "voting": voting,
        "margin": i64::try_from(voting).unwrap_or(0) - i64::from(rule.threshold()),
        "custodians": custodians,
    });
    json(StatusCode::OK, &body)
}
