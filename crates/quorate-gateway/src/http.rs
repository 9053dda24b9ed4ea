//! The gateway's HTTP endpoints.

mod admin;
mod people;
mod public;
mod sign_in;
mod token;
mod userinfo;

use crate::{
    anchors::Anchors,
    codes::Codes,
    custodians::Custodians,
    ledger::read_entries,
    oauth::{ErrorBody, OAuthError},
    publish::Published,
    sequencer::{Request, Seen},
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use quorate_protocol::{Committee, Refusal};
use quorate_store::LogStore;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tower_http::{cors::CorsLayer, set_header::SetResponseHeaderLayer};

/// Largest request body, bytes.
const MAX_BODY: usize = 64 * 1024;

/// Seconds after which a client that was turned away may come back.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// What the endpoints work with.
pub struct App {
    /// Configuration: the public URL of the endpoints.
    pub config: crate::config::Config,
    /// Authorizations that wait for their code.
    pub codes: Codes,
    /// Anchors for pages.
    pub anchors: Anchors,
    /// The committee.
    pub committee: Committee,
    /// Requests to the sequencer.
    pub requests: mpsc::Sender<Request>,
    /// The certified log as seen from outside.
    pub seen: watch::Receiver<Seen>,
    /// The published log.
    pub published: Arc<Published>,
    /// The own copy, for administrators.
    pub store: Arc<dyn LogStore>,
    /// The links.
    pub custodians: Arc<Custodians>,
    /// Metrics as text.
    pub metrics: PrometheusHandle,
}

impl App {
    fn endpoint(&self, path: &str) -> String {
        self.config.endpoint(path)
    }
}

/// All endpoints.
pub fn router(app: Arc<App>) -> Router {
    // Browser clients call the token endpoint of public clients; credentials never travel by cookie, so any origin may.
    let cors = CorsLayer::new()
        .expose_headers([header::WWW_AUTHENTICATE])
        .allow_origin(tower_http::cors::Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("dpop"),
        ]);
    let open = Router::new()
        .route("/token", post(token::token))
        .route("/userinfo", get(userinfo::userinfo).post(userinfo::userinfo))
        .route("/anchor", get(sign_in::anchor))
        .route("/registry/{kind}/{name}", get(sign_in::record))
        .route("/grants", post(sign_in::grant))
        .route("/enrolments", post(people::enrol))
        .route("/revocations", post(people::revoke))
        .route("/account", get(people::account))
        .route("/account/entries", get(people::entries))
        .route("/status", get(public::status))
        .route("/log/{number}/{*path}", get(public::log))
        .layer(cors);
    let admin = Router::new()
        .route("/admin/proposals", post(admin::propose).get(admin::list))
        .route("/admin/proposals/{id}", get(admin::show))
        .route("/admin/proposals/{id}/approvals", post(admin::approve))
        .route("/admin/registry", get(admin::registry))
        .route("/admin/entries/{index}", get(admin::entry));
    Router::new()
        .merge(open)
        .merge(admin)
        .route("/healthz", get(public::health))
        .route("/readyz", get(public::ready))
        .route("/metrics", get(public::metrics))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .with_state(app)
}

fn respond(status: StatusCode, value: &impl serde::Serialize) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(axum::body::Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An error in words.
fn told(error: &OAuthError) -> Response {
    let body = ErrorBody {
        error: error.error,
        error_description: &error.description,
    };
    let mut response = no_store(respond(error.status, &body));
    if error.status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

fn forbidden(status: StatusCode, error: &'static str, what: &str) -> Response {
    told(&OAuthError {
        status,
        error,
        description: what.to_owned(),
    })
}

/// What the custodians would refuse, by the code of the refusal, for pages that put it into words.
fn refused_by_rules(refusal: Refusal) -> Response {
    let body = serde_json::json!({
        "error": "refused",
        "refusal": refusal.code(),
        "error_description": format!("the custodians would refuse this: {}", refusal.code()),
    });
    no_store(respond(StatusCode::FORBIDDEN, &body))
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

/// A header that is text; none if there is no such header, or it is not text.
fn text_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The `traceparent` header (W3C Trace Context): `00-<32 hex>-<16 hex>-<2 hex>`.
fn traceparent(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = value.split('-').collect();
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    matches!(parts.as_slice(), [version, trace, span, flags]
        if hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2))
    .then(|| value.to_owned())
}

/// A base64url member of a JSON object.
fn binary_member(value: &serde_json::Value, name: &str) -> Option<Vec<u8>> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.decode(value.get(name)?.as_str()?).ok()
}

/// A leaf of the certified log, for judging; empty if the log does not hold it.
fn leaves_for(app: &App, index: u64) -> BTreeMap<u64, Vec<u8>> {
    if index >= app.seen.borrow().head.size {
        return BTreeMap::new();
    }
    let entries = tokio::task::block_in_place(|| read_entries(app.store.as_ref(), index, 1)).unwrap_or_default();
    entries
        .into_iter()
        .map(|entry| (index, entry.leaf.0.to_vec()))
        .collect()
}
