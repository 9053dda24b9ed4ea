//! `POST /token`: machines ask for themselves (RFC 6749 §4.4), clients redeem codes (§4.1.3).

use super::{App, leaves_for, no_store, respond, text_header, told, traceparent};
use crate::{
    clock,
    oauth::{self, OAuthError},
    sequencer::{Reply, Request},
    token_request::{self, CodeRequest, Form, MachineRequest, Proof, TokenRequest},
};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use quorate_protocol::coordinator::{Order, PresentedSecret, Token, TokenOrder};
use quorate_rules::{
    Evidence, Refusal, Registry,
    anchor::Past,
    authorization::{Authorization, code_hash},
    cbor::{Array, Bytes as ByteString},
    client_secret::SecretPart,
    evidence::{Answer, ClientProof, Redemption, SignIn},
    grant::TokenKind,
    json::StrictObject,
    judge::{Presented, judge},
    revocation::RevocationBody,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::error::TrySendError;

/// `POST /token`
pub(super) async fn token(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let began = tokio::time::Instant::now();
    let authorization = text_header(&headers, &header::AUTHORIZATION);
    let outcome = issue(&app, &headers, &body, authorization).await;
    let label = outcome.as_ref().map_or_else(|error| error.error, |_| "ok");
    metrics::counter!("quorate_token_requests_total", "outcome" => label).increment(1);
    metrics::histogram!("quorate_token_seconds").record(began.elapsed().as_secs_f64());
    match outcome {
        Ok(tokens) => no_store(respond(StatusCode::OK, &answer(&tokens))),
        Err(error) => {
            let mut response = told(&error);
            // RFC 6749 §5.2: who tried with the header is told which scheme is meant.
            if error.status == StatusCode::UNAUTHORIZED && authorization.is_some() {
                let scheme = HeaderValue::from_static("Basic realm=\"token\", charset=\"UTF-8\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            response
        }
    }
}

fn answer(tokens: &[Token]) -> serde_json::Value {
    let mut body = json!({});
    for token in tokens {
        match token.kind {
            TokenKind::Access => {
                body["access_token"] = token.jwt.as_str().into();
                body["token_type"] = if token.grant.is_dpop_bound() { "DPoP" } else { "Bearer" }.into();
                body["expires_in"] = token.grant.lifetime_s().into();
                body["scope"] = token.grant.scope().to_string().into();
            }
            TokenKind::Id => body["id_token"] = token.jwt.as_str().into(),
        }
    }
    body
}

async fn issue(
    app: &App,
    headers: &HeaderMap,
    body: &[u8],
    authorization: Option<&str>,
) -> Result<Vec<Token>, OAuthError> {
    let content_type = text_header(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let form = Form::read(content_type, body)?;
    let request = token_request::read(&form, authorization)?;
    let (quorum, registry) = {
        let seen = app.seen.borrow();
        (seen.quorum, Arc::clone(&seen.registry))
    };
    if !quorum {
        return Err(OAuthError::unavailable(
            "too few custodians are reachable; try again shortly",
        ));
    }
    match request {
        TokenRequest::Machine(request) => machine(app, &registry, headers, &request).await,
        TokenRequest::Code(request) => redeem(app, &registry, headers, &request).await,
    }
}

async fn machine(
    app: &App,
    registry: &Registry,
    headers: &HeaderMap,
    request: &MachineRequest,
) -> Result<Vec<Token>, OAuthError> {
    let evidence = Evidence::ClientKey(request.assertion.clone());
    let order = judged_early(app, registry, evidence, None, traceparent(headers))?;
    if let Some((_, grant)) = &order.judged {
        oauth::check_unsigned(request, grant)?;
    }
    let tokens = wait(app, order).await.map_err(Refused::told)?;
    // The registry may have changed while the request waited; what is handed out must still be what was asked for.
    for token in &tokens {
        oauth::check_unsigned(request, &token.grant)?;
    }
    Ok(tokens)
}

async fn redeem(
    app: &App,
    registry: &Registry,
    headers: &HeaderMap,
    request: &CodeRequest,
) -> Result<Vec<Token>, OAuthError> {
    let invalid = |what: &str| OAuthError::new("invalid_grant", what);
    let hash = code_hash(&request.code);
    let sign_in = tokio::task::block_in_place(|| app.codes.find(&hash));
    let sign_in = sign_in
        .map_err(|_| OAuthError::unavailable("the gateway's store does not answer; try again"))?
        .ok_or_else(|| invalid("there is no such code, or it is too old"))?;
    let authorization = Authorization::read(&sign_in.grant).map_err(oauth::told)?;
    if authorization.client_id != request.client {
        return Err(invalid("the code was made for another client"));
    }
    check_resource(request, &authorization)?;
    let Some(_mark) = app.codes.redeem(hash) else {
        return Err(invalid("the code is being redeemed"));
    };
    let (evidence, secret) = evidence(app, headers, request, sign_in.clone())?;
    let outcome = match judged_early(app, registry, evidence, secret, traceparent(headers)) {
        Ok(order) => wait(app, order).await,
        Err(error) => return Err(error),
    };
    match outcome {
        Ok(tokens) => Ok(tokens),
        Err(Refused::By(Refusal::Replayed)) => {
            revoke(app, &sign_in, &authorization, request.code).await;
            Err(invalid("the code was redeemed already; its tokens are revoked"))
        }
        Err(refused) => Err(refused.told()),
    }
}

/// RFC 8707 §2.2: a resource named here must be the one that was authorised.
fn check_resource(request: &CodeRequest, authorization: &Authorization) -> Result<(), OAuthError> {
    let granted = authorization
        .resource
        .as_ref()
        .map_or(authorization.issuer.as_str(), |resource| resource.as_str());
    match &request.resource {
        Some(resource) if resource != granted => Err(OAuthError::new(
            "invalid_target",
            format!("the authorization is for {granted}"),
        )),
        _ => Ok(()),
    }
}

fn evidence(
    app: &App,
    headers: &HeaderMap,
    request: &CodeRequest,
    sign_in: SignIn,
) -> Result<(Evidence, Option<PresentedSecret>), OAuthError> {
    let (client, secret) = match &request.proof {
        Proof::Public => (ClientProof::None, None),
        Proof::Assertion(assertion) => (ClientProof::Assertion(assertion.clone()), None),
        Proof::Secret(secret) => {
            let presented = PresentedSecret {
                secret: Arc::new(secret.clone()),
                client: request.client.clone(),
            };
            (ClientProof::Secret, Some(presented))
        }
    };
    let redemption = Redemption {
        code: Array(request.code),
        code_verifier: request.code_verifier.clone(),
        redirect_uri: request.redirect_uri.clone(),
        client,
        dpop: dpop_proof(app, headers)?,
    };
    Ok((Evidence::SignIn(sign_in, redemption), secret))
}

/// The `DPoP` header. Custodians check everything about it but where it was sent to; that is for the one who knows its address.
fn dpop_proof(app: &App, headers: &HeaderMap) -> Result<Option<String>, OAuthError> {
    let mut proofs = headers.get_all("dpop").iter();
    let Some(proof) = proofs.next() else { return Ok(None) };
    let wrong = |what: &str| OAuthError::new("invalid_dpop_proof", what);
    let proof = proof.to_str().map_err(|_| wrong("the DPoP header is not a JWT"))?;
    if proofs.next().is_some() {
        return Err(wrong("there is more than one DPoP header"));
    }
    let payload = proof.split('.').nth(1).and_then(|part| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        StrictObject::parse(&URL_SAFE_NO_PAD.decode(part).ok()?)
    });
    let url = app.endpoint("/token");
    if payload.as_ref().and_then(|claims| claims.text("htu")) != Some(url.as_str()) {
        return Err(wrong(&format!("htu must be {url}")));
    }
    Ok(Some(proof.to_owned()))
}

/// Judges with the custodians' own code, so that wrong requests are answered at once.
fn judged_early(
    app: &App,
    registry: &Registry,
    evidence: Evidence,
    secret: Option<PresentedSecret>,
    traceparent: Option<String>,
) -> Result<TokenOrder, OAuthError> {
    let leaves = evidence
        .asks_for_leaf()
        .map_or_else(BTreeMap::new, |index| leaves_for(app, index));
    let heads = Arc::clone(&app.seen.borrow().heads);
    let issuer = &app.committee.body().issuer;
    // Any custodian's part tells whether the secret is right.
    let part = secret
        .as_ref()
        .map(|presented| SecretPart::derive(&presented.secret, issuer, &presented.client, 1));
    let presented = Presented {
        evidence: &evidence,
        secret: part.as_ref().map(|part| (1, part)),
    };
    let past = Past {
        heads: &heads,
        leaves: &leaves,
    };
    // A leaf's time is never before its parent's, and an anchor may be younger than this machine's clock by a batch.
    let batch_ms = clock::now_ms().max(app.seen.borrow().time_ms);
    let grant = judge(registry, &past, presented, batch_ms).map_err(oauth::told)?;
    Ok(TokenOrder {
        judged: Some((registry.root(), grant)),
        evidence,
        secret,
        leaves,
        traceparent,
        shown: false,
    })
}

/// Why there are no tokens.
enum Refused {
    By(Refusal),
    Unavailable(&'static str),
}

impl Refused {
    fn told(self) -> OAuthError {
        match self {
            Self::By(refusal) => oauth::told(refusal),
            Self::Unavailable(what) => OAuthError::unavailable(what),
        }
    }
}

async fn wait(app: &App, order: TokenOrder) -> Result<Vec<Token>, Refused> {
    let (request, outcome) = Request::of(Order::Token(order));
    match app.requests.try_send(request) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => {
            return Err(Refused::Unavailable("too many requests are waiting; try again shortly"));
        }
        Err(TrySendError::Closed(_)) => return Err(Refused::Unavailable("the gateway is stopping")),
    }
    match outcome.await {
        Ok(Reply::Tokens(tokens)) => Ok(tokens),
        Ok(Reply::Refused(code)) => Err(Refusal::from_code(&code).map_or(
            Refused::Unavailable("the custodians could not sign; try again"),
            Refused::By,
        )),
        Ok(Reply::Logged(_) | Reply::Unavailable) | Err(_) => Err(Refused::Unavailable(
            "too few custodians answered; try again, with a new assertion if one was used",
        )),
    }
}

/// A code that comes back after its tokens were handed out was stolen, before or after: its tokens are stopped (RFC 6749 §4.1.2).
async fn revoke(app: &App, sign_in: &SignIn, authorization: &Authorization, code: [u8; 32]) {
    let identity = match &sign_in.answer {
        Answer::Passkey(assertion) => assertion.credential_id.clone(),
        Answer::Session(..) => ByteString(authorization.session.map(Vec::from).unwrap_or_default()),
    };
    let body = RevocationBody::ReusedCode(sign_in.grant.clone(), identity, Array(code));
    let (request, outcome) = Request::of(Order::Revocation(body, BTreeMap::new()));
    if app.requests.send(request).await.is_err() {
        return;
    }
    match outcome.await {
        Ok(Reply::Logged(index)) => tracing::warn!(index, "a code was redeemed again; its tokens are revoked"),
        Ok(Reply::Refused(code)) if code == Refusal::AlreadyRevoked.code() => {}
        _ => tracing::error!("a code was redeemed again, and its tokens could not be revoked"),
    }
}
