//! What is asked for: a machine's token, or a person's sign-in with the redemption of its code.

use super::{System, client::Exchange};
use crate::{
    admin::AdminClient,
    client::machine,
    client_key::ClientKey,
    clock,
    founding::{DEMO_APPLICATION, DEMO_CLIENT},
    soft_page::{SoftPage, assertion_json},
    soft_passkey::SoftPasskey,
};
use anyhow::{Context, Result};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use quorate_rules::{anchor::Anchor, decision::Action, tag::TagKey};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// A page takes a new anchor after so long.
const ANCHOR_AGE: Duration = Duration::from_secs(20);

/// Work of one kind.
pub(super) enum Work {
    /// client_credentials with a fresh assertion.
    Machine { id: String, issuer: String, key: ClientKey },
    /// A tap, handed over and redeemed.
    SignIn(Box<SignIn>),
}

/// A person with a software passkey, and a web application with a secret.
pub(super) struct SignIn {
    page: SoftPage,
    passkey: SoftPasskey,
    basic: Zeroizing<String>,
    redirect_uri: String,
    anchor: Mutex<(Instant, Anchor)>,
}

impl Work {
    /// The demonstration's machine, or one with a key of another algorithm.
    pub(super) async fn machine(system: &System, alg: &str) -> Result<Self> {
        let issuer = system.issuer.clone();
        let key = ClientKey::read(&system.layout.client_key(DEMO_CLIENT))?;
        if key.public().alg() == alg {
            let id = DEMO_CLIENT.to_owned();
            return Ok(Self::Machine { id, issuer, key });
        }
        let key = ClientKey::generate(alg)?;
        let record = machine("bench", "bench", key.public().clone())?;
        AdminClient::open(&system.layout, None)?
            .propose(Action::PutClient(record))
            .await?;
        let id = "bench".to_owned();
        Ok(Self::Machine { id, issuer, key })
    }

    /// Enrols the demonstration's person.
    pub(super) async fn sign_in(system: &System) -> Result<Self> {
        let page = SoftPage::new(&system.issuer, &system.gateway)?;
        let link = system
            .invitation
            .as_deref()
            .context("the system printed no invitation")?;
        let (_, seed) = link.rsplit_once('#').context("the invitation has no seed")?;
        let seed = URL_SAFE_NO_PAD.decode(seed)?;
        let seed: [u8; 32] = seed.try_into().ok().context("the seed has 32 bytes")?;
        let passkey = SoftPasskey::generate(page.issuer())?;
        page.enrol(&seed, &passkey, TagKey::new([7; 32])).await?;
        let secret = Zeroizing::new(std::fs::read_to_string(system.layout.client_secret(DEMO_APPLICATION))?);
        let credentials = Zeroizing::new(format!("{DEMO_APPLICATION}:{}", secret.trim()));
        let tenant = system.layout.tenant()?;
        let anchor = page.anchor().await?;
        Ok(Self::SignIn(Box::new(SignIn {
            page,
            passkey,
            basic: Zeroizing::new(format!("Basic {}", STANDARD.encode(credentials.as_bytes()))),
            redirect_uri: format!("{}/callback", tenant.demo_url()),
            anchor: Mutex::new((Instant::now(), anchor)),
        })))
    }

    /// The exchanges of one operation.
    pub(super) async fn exchanges(&self) -> Option<Vec<Exchange>> {
        match self {
            Self::Machine { id, issuer, key } => {
                let assertion = key.assertion(id, issuer, clock::now_ms()).ok()?;
                let body = format!(
                    "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
                     &client_assertion={assertion}"
                );
                Some(vec![form("/token", body, None)])
            }
            Self::SignIn(work) => work.exchanges().await.ok(),
        }
    }
}

fn form(path: &'static str, body: String, authorization: Option<&str>) -> Exchange {
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
    headers.extend(authorization.map(|value| ("authorization", value.to_owned())));
    Exchange { path, headers, body }
}

impl SignIn {
    async fn exchanges(&self) -> Result<Vec<Exchange>> {
        let anchor = {
            let mut newest = self.anchor.lock().await;
            if newest.0.elapsed() > ANCHOR_AGE {
                *newest = (Instant::now(), self.page.anchor().await?);
            }
            newest.1
        };
        let scope = "openid profile email";
        let (grant, authorised) = self.page.grant(DEMO_APPLICATION, &self.redirect_uri, scope, anchor)?;
        let mut tap = assertion_json(&self.passkey.answer(&grant.challenge())?);
        tap["grant"] = URL_SAFE_NO_PAD.encode(grant.canonical()).into();
        let hand_over = Exchange {
            path: "/grants",
            headers: vec![("content-type", "application/json".to_owned())],
            body: tap.to_string(),
        };
        let redirect_uri = self.redirect_uri.replace(':', "%3A").replace('/', "%2F");
        let body = format!(
            "grant_type=authorization_code&code={}&code_verifier={}&redirect_uri={redirect_uri}",
            authorised.code, authorised.code_verifier
        );
        Ok(vec![hand_over, form("/token", body, Some(&self.basic))])
    }
}
