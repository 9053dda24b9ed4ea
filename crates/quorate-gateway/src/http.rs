//! The gateway's HTTP endpoints.

mod admin;
mod public;

use crate::{
    custodians::Custodians,
    publish::Published,
    sequencer::{Request, Seen},
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, header},
    response::Response,
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use quorate_protocol::Committee;
use quorate_store::LogStore;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tower_http::{cors::CorsLayer, set_header::SetResponseHeaderLayer};

/// Largest request body, bytes.
const MAX_BODY: usize = 64 * 1024;

/// What the endpoints work with.
pub struct App {
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

/// All endpoints.
pub fn router(app: Arc<App>) -> Router {
    // Browser clients call the token endpoint of public clients; credentials never travel by cookie, so any origin may.
    let cors = CorsLayer::new()
        .allow_origin(tower_http::cors::Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("dpop"),
        ]);
    let open = Router::new()
        .route("/token", post(public::token))
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
        .route("/status", get(public::status))
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

fn json(status: axum::http::StatusCode, value: &impl serde::Serialize) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(axum::body::Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
