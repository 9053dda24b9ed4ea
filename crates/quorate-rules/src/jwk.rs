//! Public keys of clients and of the issuer as JSON Web Keys (RFC 7517, RFC 7518 §6.2, RFC 8037).

use crate::cbor::{Array, Bytes};
use crate::json::{ObjectWriter, StrictObject};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use minicbor::{Decode, Encode};
use quorate_tlog::hash::sha256;

/// A public key that verifies JWS of exactly one algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum PublicJwk {
    /// Ed25519, `alg` "EdDSA" (RFC 8037).
    #[n(0)]
    Ed25519(#[n(0)] Array<32>),
    /// P-256 with SHA-256, `alg` "ES256" (RFC 7518 §3.4): affine coordinates x ‖ y.
    #[n(1)]
    P256(#[n(0)] Array<64>),
}

/// The text is not a key that a client may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public JWK of a supported kind: kty OKP with crv Ed25519, or kty EC with crv P-256")]
pub struct BadJwk;

impl PublicJwk {
    /// Reads the public members of a JWK; private members, if any, are not looked at. The point must lie on the curve and
    /// must not be of small order.
    pub fn parse(text: &[u8]) -> Result<Self, BadJwk> {
        let object = StrictObject::parse(text).ok_or(BadJwk)?;
        let coordinate = |name| -> Result<[u8; 32], BadJwk> {
            let text = object.text(name).ok_or(BadJwk)?;
            B64.decode(text).map_err(|_| BadJwk)?.try_into().map_err(|_| BadJwk)
        };
        let key = match (object.text("kty"), object.text("crv")) {
            (Some("OKP"), Some("Ed25519")) => Self::Ed25519(Array(coordinate("x")?)),
            (Some("EC"), Some("P-256")) => {
                let mut xy = [0; 64];
                let (x, y) = (coordinate("x")?, coordinate("y")?);
                for (slot, byte) in xy.iter_mut().zip(x.iter().chain(&y)) {
                    *slot = *byte;
                }
                Self::P256(Array(xy))
            }
            _ => return Err(BadJwk),
        };
        if object.text("alg").is_some_and(|alg| alg != key.alg()) || !key.is_sound() {
            return Err(BadJwk);
        }
        Ok(key)
    }

    /// Whether the key is a point that signatures may be checked against.
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Ed25519(Array(x)) => ed25519_dalek::VerifyingKey::from_bytes(x).is_ok_and(|key| !key.is_weak()),
            Self::P256(_) => {
                aws_lc_rs::signature::ParsedPublicKey::new(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED, self.sec1())
                    .is_ok()
            }
        }
    }

    /// The one `alg` of this key.
    pub const fn alg(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "EdDSA",
            Self::P256(_) => "ES256",
        }
    }

    /// Verifies a JWS signature of this key's algorithm over `message`; 64 bytes, r ‖ s for ES256.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(Array(x)) => {
                let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(x) else {
                    return false;
                };
                let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else {
                    return false;
                };
                key.verify_strict(message, &signature).is_ok()
            }
            Self::P256(_) => {
                let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED;
                signature.len() == 64
                    && aws_lc_rs::signature::UnparsedPublicKey::new(algorithm, self.sec1())
                        .verify(message, signature)
                        .is_ok()
            }
        }
    }

    /// JWK thumbprint (RFC 7638), base64url: the `kid` of every key here.
    pub fn thumbprint(&self) -> String {
        B64.encode(sha256(&[self.required_members().finish().as_bytes()]).as_bytes())
    }

    /// The JWK as published: required members, `kid`, `alg` and `use`.
    pub fn to_json(&self) -> String {
        let mut object = self.required_members();
        object
            .text("kid", &self.thumbprint())
            .text("alg", self.alg())
            .text("use", "sig");
        object.finish()
    }

    fn required_members(&self) -> ObjectWriter {
        let mut object = ObjectWriter::default();
        match self {
            Self::Ed25519(Array(x)) => {
                object
                    .text("kty", "OKP")
                    .text("crv", "Ed25519")
                    .text("x", &B64.encode(x));
            }
            Self::P256(Array(xy)) => {
                let (x, y) = xy.split_at(32);
                object
                    .text("kty", "EC")
                    .text("crv", "P-256")
                    .text("x", &B64.encode(x))
                    .text("y", &B64.encode(y));
            }
        }
        object
    }

    /// The point as SEC 1 §2.3.3 writes it, uncompressed.
    pub(crate) fn sec1(&self) -> Bytes {
        match self {
            Self::Ed25519(Array(x)) => Bytes(x.to_vec()),
            Self::P256(Array(xy)) => Bytes([&[4u8][..], xy].concat()),
        }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.2 and A.3.
    #[test]
    fn thumbprint_of_rfc_8037() {
        let jwk = br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        assert_eq!(
            PublicJwk::parse(jwk).unwrap().thumbprint(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn other_kinds_small_orders_and_foreign_algorithms_are_refused() {
        let x = B64.encode([0u8; 32]);
        let one = {
            let mut bytes = [0u8; 32];
            bytes[0] = 1;
            B64.encode(bytes)
        };
        for bad in [
            format!(r#"{{"kty":"OKP","crv":"X25519","x":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{one}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}"}}"#),
            r#"{"kty":"oct","k":"AAAA"}"#.to_owned(),
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#.to_owned(),
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"ES256"}"#
                .to_owned(),
        ] {
            assert_eq!(PublicJwk::parse(bad.as_bytes()), Err(BadJwk), "{bad}");
        }
    }
}
