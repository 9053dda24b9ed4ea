//! P-256 keys as authenticators and pages hold them.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use quorate_rules::{
    cbor::{Array, Bytes},
    name::Issuer,
    webauthn::{Assertion, PasskeyKey},
};
use quorate_tlog::hash::sha256;

/// An authenticator with one passkey.
pub struct Passkey {
    key: EcdsaKeyPair,
    id: Vec<u8>,
    issuer: Issuer,
}

impl Passkey {
    pub fn new(issuer: &Issuer, id: &[u8]) -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id: id.to_vec(),
            issuer: issuer.clone(),
        }
    }

    pub fn id(&self) -> Bytes {
        Bytes(self.id.clone())
    }

    pub fn key(&self) -> PasskeyKey {
        PasskeyKey::P256(Array(coordinates(&self.key)))
    }

    pub fn answer(&self, challenge: &[u8; 32]) -> Assertion {
        let client_data = format!(
            "{{\"type\":\"webauthn.get\",\"challenge\":\"{}\",\"origin\":\"{}\"}}",
            B64.encode(challenge),
            self.issuer
        );
        let rp_id = sha256(&[self.issuer.host().as_bytes()]);
        let authenticator_data = [rp_id.as_bytes(), &[0x05][..], &[0; 4]].concat();
        let hash = sha256(&[client_data.as_bytes()]);
        let message = [&authenticator_data[..], hash.as_bytes()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &message).unwrap();
        Assertion {
            credential_id: self.id(),
            authenticator_data: Bytes(authenticator_data),
            client_data: Bytes(client_data.into_bytes()),
            signature: Bytes(signature.as_ref().to_vec()),
        }
    }
}

/// A page's session key.
pub struct SessionKey(EcdsaKeyPair);

impl SessionKey {
    pub fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub fn public(&self) -> [u8; 64] {
        coordinates(&self.0)
    }

    pub fn sign(&self, message: &[u8]) -> Array<64> {
        let signature = self.0.sign(&SystemRandom::new(), message).unwrap();
        Array(signature.as_ref().try_into().unwrap())
    }
}

fn coordinates(key: &EcdsaKeyPair) -> [u8; 64] {
    key.public_key().as_ref()[1..].try_into().unwrap()
}
