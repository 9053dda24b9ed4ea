//! `GET|POST /userinfo` (OpenID Connect Core §5.3): repeats what the custodians signed.

use super::{App, no_store, respond, text_header};
use crate::{
    bearer::{self, Bearer, Presented},
    clock,
    token_request::Form,
};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use quorate_rules::claim::Claim;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET|POST /userinfo`
pub(super) async fn userinfo(State(app): State<Arc<App>>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    let bearer = match authenticate(&app, (&method, "/userinfo"), &headers, &body, "openid") {
        Ok(bearer) => bearer,
        Err(refused) => return *refused,
    };
    let mut answer = json!({ "sub": bearer.sub.as_str() });
    for claim in Claim::ALL {
        if let Some(value) = bearer.claims.get(claim.name()) {
            answer[claim.name()] = Value::clone(value);
        }
    }
    no_store(respond(StatusCode::OK, &answer))
}

/// The bearer of a good access token with this scope, or the answer that says what is wrong (RFC 6750 §3).
pub(super) fn authenticate(
    app: &App,
    (method, path): (&Method, &str),
    headers: &HeaderMap,
    body: &[u8],
    scope: &str,
) -> Result<Bearer, Box<Response>> {
    let (token, dpop) = match find(method, headers, body) {
        Ok(Some(found)) => found,
        Ok(None) => return Err(challenge(StatusCode::UNAUTHORIZED, None)),
        Err(what) => return Err(challenge(StatusCode::BAD_REQUEST, Some(("invalid_request", what)))),
    };
    let (registry, head) = {
        let seen = app.seen.borrow();
        (Arc::clone(&seen.registry), seen.head)
    };
    let url = app.endpoint(path);
    let presented = Presented {
        token: &token,
        dpop,
        proof: headers.get("dpop").and_then(|proof| proof.to_str().ok()),
        request: (method.as_str(), &url),
    };
    let checked = tokio::task::block_in_place(|| {
        bearer::check((&registry, head), app.store.as_ref(), presented, clock::now_ms())
    });
    let bearer = checked.map_err(|what| challenge(StatusCode::UNAUTHORIZED, Some(("invalid_token", what))))?;
    if bearer.may(scope) {
        Ok(bearer)
    } else {
        Err(challenge(
            StatusCode::FORBIDDEN,
            Some(("insufficient_scope", "the token's scope does not allow this")),
        ))
    }
}

/// The token and whether it is presented as DPoP: in the header, or in a form body, never in the URL (RFC 6750 §2).
fn find(method: &Method, headers: &HeaderMap, body: &[u8]) -> Result<Option<(String, bool)>, &'static str> {
    let in_header = match text_header(headers, &header::AUTHORIZATION) {
        None => None,
        Some(value) => {
            let (scheme, token) = value.split_once(' ').ok_or("the Authorization header has no token")?;
            match scheme.to_ascii_lowercase().as_str() {
                "bearer" => Some((token.trim().to_owned(), false)),
                "dpop" => Some((token.trim().to_owned(), true)),
                _ => return Err("present the token as Bearer or DPoP"),
            }
        }
    };
    let content_type = text_header(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let is_form = content_type.starts_with("application/x-www-form-urlencoded");
    let in_body = if *method == Method::POST && is_form {
        let form = Form::read(content_type, body).map_err(|_| "the body is not a form without doubled parameters")?;
        form.get("access_token").map(|token| (token.to_owned(), false))
    } else {
        None
    };
    match (in_header, in_body) {
        (Some(_), Some(_)) => Err("present the token once"),
        (found, None) | (None, found) => Ok(found),
    }
}

fn challenge(status: StatusCode, error: Option<(&str, &str)>) -> Box<Response> {
    let (text, body) = match error {
        None => ("Bearer, DPoP algs=\"ES256 EdDSA\"".to_owned(), json!({})),
        Some((error, what)) => (
            format!("Bearer error=\"{error}\", error_description=\"{what}\""),
            json!({ "error": error, "error_description": what }),
        ),
    };
    let mut response = no_store(respond(status, &body)).into_response();
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    Box::new(response)
}
