//! The page's side of signing in, in software, for benchmarks and tests: it takes an anchor, builds the grant, and hands it over with a
//! passkey's answer. A person's browser runs `web/site/js` instead.

use crate::{clock, soft_passkey::SoftPasskey};
use anyhow::{Context, Result, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::{Signer, SigningKey};
use quorate_rules::{
    anchor::Anchor,
    authorization::{Authorization, ClaimsRequest, code_hash},
    cbor::{Array, Canonical},
    enrolment::EnrolmentStatement,
    name::{ClientId, Issuer, Label, Scope},
    redirect::RedirectUri,
    tag::TagKey,
    webauthn::Assertion,
};
use quorate_tlog::{checkpoint::Checkpoint, hash::sha256, note::Note};
use rand_core::{OsRng, RngCore};
use serde_json::{Value, json};

/// A page of one issuer.
pub struct SoftPage {
    http: reqwest::Client,
    issuer: Issuer,
    gateway: String,
}

/// An authorization that was handed over, with what the client needs to redeem it.
#[derive(Debug, Clone)]
pub struct Authorised {
    /// The code, as the client gets it.
    pub code: String,
    /// The verifier that the client kept.
    pub code_verifier: String,
    /// Where the code went.
    pub redirect_uri: String,
}

impl SoftPage {
    /// A page of this issuer, whose gateway is at this address.
    pub fn new(issuer: &str, gateway: &str) -> Result<Self> {
        Ok(Self {
            http: crate::public::http()?,
            issuer: Issuer::new(issuer)?,
            gateway: gateway.to_owned(),
        })
    }

    /// The issuer.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// A fresh anchor.
    pub async fn anchor(&self) -> Result<Anchor> {
        let answer = crate::public::json(&self.http, &format!("{}/anchor", self.gateway)).await?;
        read_anchor(answer["checkpoint"].as_str().context("no checkpoint")?)
    }

    /// A grant as the page builds it for a plain sign-in, with its code and the client's verifier.
    pub fn grant(
        &self,
        client_id: &str,
        redirect_uri: &str,
        scope: &str,
        anchor: Anchor,
    ) -> Result<(Authorization, Authorised)> {
        let (mut code, mut verifier) = ([0; 32], [0; 32]);
        OsRng.fill_bytes(&mut code);
        OsRng.fill_bytes(&mut verifier);
        let code_verifier = B64.encode(verifier);
        let authorization = Authorization {
            issuer: self.issuer.clone(),
            client_id: ClientId::new(client_id)?,
            redirect_uri: RedirectUri::new(redirect_uri)?,
            scope: Scope::parse(scope)?,
            resource: None,
            nonce: None,
            code_challenge: Some(B64.encode(sha256(&[code_verifier.as_bytes()]).as_bytes())),
            code_hash: code_hash(&code),
            dpop_jkt: None,
            acr: None,
            claims: ClaimsRequest::default(),
            max_age_s: None,
            sub: None,
            session: None,
            issued_s: clock::now_ms() / 1000,
            anchor,
        };
        let authorised = Authorised {
            code: B64.encode(code),
            code_verifier,
            redirect_uri: redirect_uri.to_owned(),
        };
        Ok((authorization, authorised))
    }

    /// Hands over a grant with a passkey's answer.
    pub async fn hand_over(&self, authorization: &Authorization, answer: &Assertion) -> Result<()> {
        let mut body = assertion_json(answer);
        body["grant"] = B64.encode(authorization.canonical()).into();
        self.post("/grants", &body).await.map(drop)
    }

    /// Enrols a passkey by the seed of an invitation; the index of the entry.
    pub async fn enrol(&self, seed: &[u8; 32], passkey: &SoftPasskey, user_key: TagKey) -> Result<u64> {
        let seed = SigningKey::from_bytes(seed);
        let statement = EnrolmentStatement {
            version: 1,
            issuer: self.issuer.clone(),
            invitation: Some(Array(seed.verifying_key().to_bytes())),
            by: None,
            credential_id: passkey.id(),
            key: passkey.public_key(),
            user_key,
            label: Label::new("software")?,
            anchor: self.anchor().await?,
        };
        let body = json!({
            "statement": B64.encode(statement.to_canonical()),
            "seed_signature": B64.encode(seed.sign(&statement.message()).to_bytes()),
            "credential": assertion_json(&passkey.answer(&statement.challenge())?),
        });
        let answer = self.post("/enrolments", &body).await?;
        answer["index"].as_u64().context("the gateway named no index")
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let response = self
            .http
            .post(format!("{}{path}", self.gateway))
            .json(body)
            .send()
            .await?;
        let status = response.status();
        let answer: Value = response.json().await.unwrap_or_default();
        if !status.is_success() {
            bail!("{path}: {status} {answer}");
        }
        Ok(answer)
    }
}

/// A passkey's answer as pages send it.
pub fn assertion_json(assertion: &Assertion) -> Value {
    json!({
        "credential_id": B64.encode(&assertion.credential_id.0),
        "authenticator_data": B64.encode(&assertion.authenticator_data.0),
        "client_data": B64.encode(&assertion.client_data.0),
        "signature": B64.encode(&assertion.signature.0),
    })
}

/// The anchor of a signed checkpoint with one signature, that of the log key.
pub fn read_anchor(note: &str) -> Result<Anchor> {
    let note = Note::parse(note.as_bytes()).context("not a signed note")?;
    let checkpoint = Checkpoint::parse(note.text()).context("not a checkpoint")?;
    let signature = note.signatures().first().context("the checkpoint is not signed")?;
    let sig = signature
        .bytes
        .as_slice()
        .try_into()
        .ok()
        .context("not an Ed25519 signature")?;
    Ok(Anchor {
        size: checkpoint.size,
        root: checkpoint.root,
        sig: Array(sig),
    })
}
