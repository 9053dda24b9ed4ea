//! Reading compact JWS (RFC 7515 §3.1), small and strict.

use crate::{Refusal, json::StrictObject, jwk::PublicJwk};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};

/// Longest compact JWS that is read, in bytes.
pub const MAX_JWS: usize = 8 * 1024;

/// A compact JWS whose parts were read but whose signature was not yet checked.
#[derive(Debug)]
pub struct UnverifiedJws<'a> {
    /// Protected header.
    pub header: StrictObject,
    payload: StrictObject,
    signing_input: &'a str,
    signature: Vec<u8>,
}

impl<'a> UnverifiedJws<'a> {
    /// Splits and decodes three parts; both header and payload must be JSON objects without duplicate members.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > MAX_JWS {
            return Err(Refusal::Oversize);
        }
        let bad = Refusal::MalformedAssertion;
        let (signing_input, signature) = text.rsplit_once('.').ok_or(bad)?;
        let (header, payload) = signing_input.split_once('.').ok_or(bad)?;
        let object = |part: &str| StrictObject::parse(&B64.decode(part).ok()?);
        let (header, payload) = (object(header).ok_or(bad)?, object(payload).ok_or(bad)?);
        let signature = B64.decode(signature).map_err(|_| bad)?;
        if header.get("crit").is_some() {
            return Err(Refusal::WrongType);
        }
        Ok(Self {
            header,
            payload,
            signing_input,
            signature,
        })
    }

    /// Claims nobody vouches for yet; only for finding the key that must verify them.
    pub const fn danger_unverified_payload(&self) -> &StrictObject {
        &self.payload
    }

    /// The claims, if the header names exactly this key's algorithm and the signature verifies.
    pub fn verify(self, key: &PublicJwk) -> Result<StrictObject, Refusal> {
        if self.header.text("alg") != Some(key.alg()) {
            return Err(Refusal::WrongAlgorithm);
        }
        if !key.verify(self.signing_input.as_bytes(), &self.signature) {
            return Err(Refusal::BadSignature);
        }
        Ok(self.payload)
    }
}
