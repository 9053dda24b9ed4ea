//! A passkey in software, for benchmarks and tests: what an authenticator answers to a page (Web Authentication Level 3 §6.3.3).

use anyhow::{Context, Result};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use quorate_rules::{
    cbor::{Array, Bytes},
    name::Issuer,
    webauthn::{Assertion, PasskeyKey},
};
use quorate_tlog::hash::sha256;
use rand_core::{OsRng, RngCore};

/// Present and verified.
const UP_UV: u8 = 0x05;

/// An ES256 passkey of one issuer.
pub struct SoftPasskey {
    key: EcdsaKeyPair,
    public: [u8; 64],
    id: Vec<u8>,
    issuer: Issuer,
}

impl SoftPasskey {
    /// Makes one.
    pub fn generate(issuer: &Issuer) -> Result<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).context("no key came out")?;
        let point = key.public_key().as_ref();
        let public = point.strip_prefix(&[4]).and_then(|xy| xy.try_into().ok());
        let mut id = vec![0; 16];
        OsRng.fill_bytes(&mut id);
        Ok(Self {
            public: public.context("not an uncompressed point")?,
            key,
            id,
            issuer: issuer.clone(),
        })
    }

    /// Its public key.
    pub const fn public_key(&self) -> PasskeyKey {
        PasskeyKey::P256(Array(self.public))
    }

    /// Its credential id.
    pub fn id(&self) -> Bytes {
        Bytes(self.id.clone())
    }

    /// Answers a challenge on the issuer's own page.
    pub fn answer(&self, challenge: &[u8; 32]) -> Result<Assertion> {
        self.answer_with(&self.client_data("webauthn.get", challenge), UP_UV)
    }

    /// Client data of a ceremony on the issuer's own page.
    pub fn client_data(&self, ceremony: &str, challenge: &[u8; 32]) -> String {
        format!(
            "{{\"type\":\"{ceremony}\",\"challenge\":\"{}\",\"origin\":\"{}\",\"crossOrigin\":false}}",
            B64.encode(challenge),
            self.issuer
        )
    }

    /// Signs whatever a page says, with these flags.
    pub fn answer_with(&self, client_data: &str, flags: u8) -> Result<Assertion> {
        let rp_id = sha256(&[self.issuer.host().as_bytes()]);
        let authenticator_data = [rp_id.as_bytes(), &[flags][..], &[0; 4]].concat();
        let hash = sha256(&[client_data.as_bytes()]);
        let message = [&authenticator_data[..], hash.as_bytes()].concat();
        let signature = self
            .key
            .sign(&SystemRandom::new(), &message)
            .context("no signature came out")?;
        Ok(Assertion {
            credential_id: self.id(),
            authenticator_data: Bytes(authenticator_data),
            client_data: Bytes(client_data.as_bytes().to_vec()),
            signature: Bytes(signature.as_ref().to_vec()),
        })
    }
}
