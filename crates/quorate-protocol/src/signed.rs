//! Statements under an identity key: a domain string, then the canonical encoding, and nothing else.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use quorate_rules::cbor::{Array, Canonical};

/// What is signed under one domain string.
pub trait Statement: Canonical {
    /// The domain string; ends in NUL.
    const DOMAIN: &'static [u8];

    /// The exact bytes that are signed.
    fn message(&self) -> Vec<u8> {
        [Self::DOMAIN, &self.to_canonical()].concat()
    }

    /// Signs (RFC 8032).
    fn sign(&self, key: &SigningKey) -> Array<64> {
        Array(key.sign(&self.message()).to_bytes())
    }

    /// Verifies strictly: no weak keys, no malleability.
    fn is_signed_by(&self, key: &VerifyingKey, signature: &Array<64>) -> bool {
        key.verify_strict(&self.message(), &Signature::from_bytes(&signature.0))
            .is_ok()
    }
}
