//! Serving a directory as the issuer site, as `up` does: static files with their headers, and the one thing that a static host cannot do —
//! a request by POST to sign in or out is answered with a redirect to the page.

use super::{derived::DISCOVERY, pages};
use anyhow::{Context, Result};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use quorate_store::file;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file that is served, and largest form that is redirected, bytes.
const MAX_FILE: usize = 1 << 20;
const MAX_FORM: usize = 16 * 1024;

struct Site {
    dir: PathBuf,
    gateway: String,
}

/// The site in a directory that `site export` wrote.
pub fn router(dir: &Path) -> Result<Router> {
    let gateway = gateway_of(dir)?;
    let site = Site {
        dir: dir.to_owned(),
        gateway,
    };
    Ok(Router::new().fallback(answer).with_state(Arc::new(site)))
}

/// The gateway's origin, from the site's own discovery document.
pub fn gateway_of(dir: &Path) -> Result<String> {
    let bytes = file::read_bounded(&dir.join(DISCOVERY), MAX_FILE)?.with_context(|| {
        format!(
            "{} holds no issuer site; write one with `quorate site export`",
            dir.display()
        )
    })?;
    let discovery: serde_json::Value = serde_json::from_slice(&bytes).context("the discovery document is not JSON")?;
    let endpoint = discovery["token_endpoint"]
        .as_str()
        .context("the discovery document names no token endpoint")?;
    Ok(endpoint.trim_end_matches("/token").to_owned())
}

async fn answer(State(site): State<Arc<Site>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let takes_forms = FORMS.contains(&uri.path());
    if method == Method::POST && takes_forms {
        return redirect(uri.path(), &body);
    }
    if method != Method::GET && method != Method::HEAD {
        let allowed = if takes_forms { "GET, HEAD, POST" } else { "GET, HEAD" };
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allowed)]).into_response();
    }
    match find(&site.dir, uri.path()) {
        Some((path, bytes)) => with_headers(&site, &path, bytes),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Pages whose requests come by GET or POST: OpenID Connect Core §3.1.2.1, RP-Initiated Logout 1.0 §2.
const FORMS: [&str; 2] = ["/authorize", "/logout"];

/// The form becomes the page's own query.
fn redirect(page: &str, body: &[u8]) -> Response {
    let form = std::str::from_utf8(body).ok().filter(|form| form.len() <= MAX_FORM);
    let location = form.and_then(|form| HeaderValue::from_str(&format!("{page}?{form}")).ok());
    match location {
        Some(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        None => (StatusCode::BAD_REQUEST, "the request is not a form, or too long\n").into_response(),
    }
}

/// The file of a path: itself, with `.html`, or the index.
fn find(dir: &Path, path: &str) -> Option<(String, Vec<u8>)> {
    let path = path.trim_start_matches('/');
    let sound = path
        .split('/')
        .all(|part| part != "." && part != ".." && !part.contains(['\\', '%']));
    if !sound || path.len() > 200 {
        return None;
    }
    let candidates = if path.is_empty() {
        vec!["index.html".to_owned()]
    } else {
        vec![path.to_owned(), format!("{path}.html")]
    };
    candidates.into_iter().find_map(|path| {
        let place = dir.join(&path);
        if !place.is_file() {
            return None;
        }
        let bytes = file::read_bounded(&place, MAX_FILE).ok().flatten()?;
        Some((path, bytes))
    })
}

fn with_headers(site: &Site, path: &str, bytes: Vec<u8>) -> Response {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let kind = match (path, extension) {
        (DISCOVERY | ".well-known/oauth-authorization-server", _) | (_, "json") => "application/json",
        (_, "html") => "text/html; charset=utf-8",
        (_, "js") => "text/javascript; charset=utf-8",
        (_, "css") => "text/css; charset=utf-8",
        (_, "svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
    let policy = if extension == "html" {
        pages::content_security_policy(&String::from_utf8_lossy(&bytes), &site.gateway)
    } else {
        pages::NO_DOCUMENT.to_owned()
    };
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in pages::HEADERS {
        if let Ok(name) = header::HeaderName::from_bytes(name.as_bytes()) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}
