//! A person with a software passkey, at the public endpoints of a running system.

use crate::{machine_path::exchange, system::System};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as B64},
};
use quorate::{
    founding::{ACCOUNT, DEMO_APPLICATION},
    layout::Layout,
    soft_page::{Authorised, SoftPage},
    soft_passkey::SoftPasskey,
};
use quorate_rules::{authorization::Authorization, tag::TagKey, webauthn::Assertion};
use tokio::runtime::{Builder, Runtime};

/// The demonstration's person, enrolled.
pub struct Person {
    pub page: SoftPage,
    pub passkey: SoftPasskey,
    /// Seed of the invitation, used up.
    pub seed: [u8; 32],
    /// The demonstration application's secret.
    pub secret: String,
    runtime: Runtime,
    gateway: String,
    demo_callback: String,
}

/// A sign-in up to the code, and what the page handed over for it.
pub struct SignedIn {
    pub grant: Authorization,
    pub tap: Assertion,
    pub authorised: Authorised,
}

impl Person {
    pub fn enrol(system: &System) -> Self {
        Self::enrol_at(&system.issuer, &system.gateway, &system.layout())
    }

    /// The first person of the tenant in this directory.
    pub fn enrol_at(issuer: &str, gateway: &str, layout: &Layout) -> Self {
        // The pages' HTTP client brings no provider of its own.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let link = std::fs::read_to_string(layout.invitation()).unwrap();
        let seed = B64.decode(link.trim().rsplit_once('#').unwrap().1).unwrap();
        let secret = std::fs::read_to_string(layout.client_secret(DEMO_APPLICATION)).unwrap();
        let page = SoftPage::new(issuer, gateway).unwrap();
        let person = Self {
            passkey: SoftPasskey::generate(page.issuer()).unwrap(),
            page,
            seed: seed.try_into().unwrap(),
            secret: secret.trim().to_owned(),
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            gateway: gateway.to_owned(),
            demo_callback: format!("{}/callback", layout.tenant().unwrap().demo_url()),
        };
        person.enrol_again().unwrap();
        person
    }

    /// Sends the enrolment by this invitation.
    pub fn enrol_again(&self) -> anyhow::Result<u64> {
        let enrolment = self.page.enrol(&self.seed, &self.passkey, TagKey::new([7; 32]));
        self.runtime.block_on(enrolment)
    }

    /// Signs in to the demonstration's application, which has a secret.
    pub fn sign_in(&self) -> SignedIn {
        self.sign_in_to(DEMO_APPLICATION, &self.demo_callback)
    }

    /// Signs in to the account page, which proves nothing but its verifier.
    pub fn sign_in_to_account(&self) -> SignedIn {
        self.sign_in_to(ACCOUNT, &format!("{}/account", self.page.issuer()))
    }

    fn sign_in_to(&self, client: &str, redirect_uri: &str) -> SignedIn {
        let anchor = self.runtime.block_on(self.page.anchor()).unwrap();
        let (grant, authorised) = self.page.grant(client, redirect_uri, "openid", anchor).unwrap();
        let tap = self.passkey.answer(&grant.challenge()).unwrap();
        self.hand_over(&grant, &tap).unwrap();
        SignedIn { grant, tap, authorised }
    }

    pub fn hand_over(&self, grant: &Authorization, tap: &Assertion) -> anyhow::Result<()> {
        self.runtime.block_on(self.page.hand_over(grant, tap))
    }

    /// Redeems a code as its client, with this secret where the client has one; status and body.
    pub fn redeem(&self, signed_in: &SignedIn, secret: Option<&str>) -> (u16, String) {
        let Authorised {
            code,
            code_verifier,
            redirect_uri,
        } = &signed_in.authorised;
        let client = signed_in.grant.client_id.as_str();
        let mut form = format!(
            "grant_type=authorization_code&code={code}&code_verifier={code_verifier}&redirect_uri={redirect_uri}"
        );
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        let basic = secret.map(|secret| format!("Basic {}", STANDARD.encode(format!("{client}:{secret}"))));
        match &basic {
            Some(basic) => headers.push(("authorization", basic)),
            None => form += &format!("&client_id={client}"),
        }
        exchange(&self.gateway, "POST", "/token", &headers, &form).unwrap()
    }
}
