//! The demonstration's relying party: a small site on a port of its own, built with a stock OpenID Connect library and nothing of ours. Its
//! page (`web/demo`) shows the claims and checks, in the visitor's own browser, that the token stood in the log before it was signed.

use crate::{public, supervise};
use anyhow::{Context, Result};
use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use clap::Args;
use include_dir::{Dir, include_dir};
use openidconnect::{
    AccessTokenHash, AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, HttpClientError, HttpRequest, HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenResponse,
    core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata},
};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

static PAGES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../web/demo");

/// Name of the cookie that ties a browser to its sign-in, and to what came of it.
const COOKIE: &str = "quorate-demo";
/// Most sign-ins under way, and most visitors, at once: it is a demonstration.
const MAX_VISITORS: usize = 256;

/// The relying party as `up` starts it.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Issuer that people sign in at.
    #[arg(long)]
    issuer: String,
    /// Address to listen on.
    #[arg(long)]
    listen: String,
    /// Its own address, as browsers know it.
    #[arg(long)]
    url: String,
    /// Its client id.
    #[arg(long)]
    client_id: String,
    /// File of its client secret.
    #[arg(long)]
    secret: PathBuf,
    /// End when standard input closes.
    #[arg(long, hide = true)]
    end_with_stdin: bool,
}

type Stock =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// A sign-in under way.
struct Pending {
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

struct Demo {
    args: DemoArgs,
    http: Http,
    secret: Zeroizing<String>,
    pending: Mutex<BTreeMap<String, Pending>>,
    visitors: Mutex<BTreeMap<String, serde_json::Value>>,
}

/// Runs the relying party.
pub async fn run(args: DemoArgs) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(crate::cli::address(&args.listen)?)
        .await
        .with_context(|| format!("cannot listen on {}; is another process there?", args.listen))?;
    let mut stop = supervise::stop_signal(args.end_with_stdin);
    // The secret comes with the client's registration, which may still be under way.
    let secret = loop {
        match std::fs::read_to_string(&args.secret) {
            Ok(secret) => break Zeroizing::new(secret.trim().to_owned()),
            Err(_) => tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
                _ = stop.changed() => return Ok(()),
            },
        }
    };
    let demo = Demo {
        args,
        http: Http(public::http()?),
        secret,
        pending: Mutex::default(),
        visitors: Mutex::default(),
    };
    let router = Router::new()
        .route("/login", get(login))
        .route("/callback", get(callback))
        .route("/session", get(session))
        .route("/logout", get(logout))
        .fallback(page)
        .with_state(Arc::new(demo));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { while !*stop.borrow_and_update() && stop.changed().await.is_ok() {} })
        .await?;
    Ok(())
}

/// What the library speaks HTTP with: the command line's own client.
struct Http(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpClientError<reqwest::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Self::Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let failed = |error| HttpClientError::Reqwest(Box::new(error));
            let request = request.try_into().map_err(failed)?;
            let response = self.0.execute(request).await.map_err(failed)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let mut answer = HttpResponse::new(response.bytes().await.map_err(failed)?.to_vec());
            *answer.status_mut() = status;
            *answer.headers_mut() = headers;
            Ok(answer)
        })
    }
}

impl Demo {
    /// A client from discovery alone.
    async fn client(&self) -> Result<Stock> {
        let issuer = IssuerUrl::new(self.args.issuer.clone())?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &self.http).await?;
        let secret = ClientSecret::new(self.secret.to_string());
        let client =
            CoreClient::from_provider_metadata(metadata, ClientId::new(self.args.client_id.clone()), Some(secret));
        Ok(client.set_redirect_uri(RedirectUrl::new(format!("{}/callback", self.args.url))?))
    }

    /// Redeems a code and checks the ID token as the library does.
    async fn redeem(&self, code: String, pending: Pending) -> Result<serde_json::Value> {
        let client = self.client().await?;
        let tokens = client
            .exchange_code(AuthorizationCode::new(code))?
            .set_pkce_verifier(pending.verifier)
            .request_async(&self.http)
            .await?;
        let id_token = tokens.id_token().context("there is no ID token")?;
        let verifier = client.id_token_verifier();
        let claims = id_token.claims(&verifier, &pending.nonce)?;
        if let Some(expected) = claims.access_token_hash() {
            let actual = AccessTokenHash::from_token(
                tokens.access_token(),
                id_token.signing_alg()?,
                id_token.signing_key(&verifier)?,
            )?;
            anyhow::ensure!(actual == *expected, "the ID token is for another access token");
        }
        Ok(json!({
            "issuer": self.args.issuer,
            "id_token": id_token.to_string(),
            "access_token": tokens.access_token().secret(),
        }))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts a value in; the oldest names make room.
fn put<T>(mutex: &Mutex<BTreeMap<String, T>>, name: String, value: T) {
    let mut map = locked(mutex);
    while map.len() >= MAX_VISITORS {
        map.pop_first();
    }
    map.insert(name, value);
}

fn cookie_of(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let mut pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
}

fn see_other(location: &str, cookie: Option<&str>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    let cookie =
        cookie.map(|value| HeaderValue::from_str(&format!("{COOKIE}={value}; HttpOnly; SameSite=Lax; Path=/")));
    if let Some(Ok(cookie)) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Tells the page what went wrong; it puts that into words.
fn failed(what: &str) -> Response {
    let text: String = what
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(200)
        .collect();
    see_other(
        &format!(
            "/?error={}",
            text.replace('%', "").replace(' ', "+").replace(['&', '#', '"'], "")
        ),
        None,
    )
}

async fn login(State(demo): State<Arc<Demo>>) -> Response {
    let client = match demo.client().await {
        Ok(client) => client,
        Err(error) => return failed(&format!("the issuer does not answer: {error}")),
    };
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scope(Scope::new("profile".to_owned()))
        .add_scope(Scope::new("email".to_owned()))
        .add_scope(Scope::new("groups".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let visitor = CsrfToken::new_random().secret().clone();
    let pending = Pending { state, nonce, verifier };
    put(&demo.pending, visitor.clone(), pending);
    see_other(url.as_str(), Some(&visitor))
}

#[derive(Deserialize)]
struct Callback {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

async fn callback(State(demo): State<Arc<Demo>>, Query(answer): Query<Callback>, headers: HeaderMap) -> Response {
    let Some(visitor) = cookie_of(&headers) else {
        return failed("this browser did not begin a sign-in here");
    };
    let Some(pending) = locked(&demo.pending).remove(&visitor) else {
        return failed("this sign-in is over; begin anew");
    };
    // RFC 9207: an answer of another issuer is a mix-up.
    let expected =
        answer.state.as_ref() == Some(pending.state.secret()) && answer.iss.as_ref() == Some(&demo.args.issuer);
    if !expected {
        return failed("the answer does not belong to this sign-in");
    }
    if let Some(error) = &answer.error {
        return failed(&format!("the issuer says {error}"));
    }
    match demo.redeem(answer.code.unwrap_or_default(), pending).await {
        Ok(session) => {
            put(&demo.visitors, visitor, session);
            see_other("/", None)
        }
        Err(error) => failed(&format!("{error:#}")),
    }
}

async fn session(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Response {
    let session = cookie_of(&headers).and_then(|visitor| locked(&demo.visitors).get(&visitor).cloned());
    // Nobody signed in is no error.
    let body = session.unwrap_or_else(|| json!({}));
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, body.to_string()).into_response()
}

/// Ends the own session, then that at the issuer (OpenID Connect RP-Initiated Logout 1.0).
async fn logout(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Response {
    let session = cookie_of(&headers).and_then(|visitor| locked(&demo.visitors).remove(&visitor));
    let hint = session.as_ref().and_then(|session| session["id_token"].as_str());
    match hint {
        None => see_other("/", None),
        Some(hint) => see_other(
            &format!(
                "{}/logout?id_token_hint={hint}&client_id={}&post_logout_redirect_uri={}/",
                demo.args.issuer,
                demo.args.client_id,
                demo.args.url.replace(':', "%3A").replace('/', "%2F")
            ),
            None,
        ),
    }
}

/// The page, and the issuer site's own modules, with which it checks the proof.
async fn page(State(demo): State<Arc<Demo>>, uri: Uri) -> Response {
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    let own = PAGES.get_file(path).map(include_dir::File::contents);
    let Some(bytes) = own.or_else(|| crate::site::pages::file(path).filter(|_| path.starts_with("js/"))) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' {} {}; base-uri 'none'; frame-ancestors 'none'",
        demo.args.issuer,
        gateway_of(&demo.args.issuer)
    );
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, bytes).into_response()
}

/// The demonstration's gateway listens one port above the site.
fn gateway_of(issuer: &str) -> String {
    let port = issuer.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    port.map_or_else(String::new, |port| {
        format!("http://localhost:{}", port.saturating_add(1))
    })
}
