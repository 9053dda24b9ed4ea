//! The one algorithm of an issuer's tokens: "EdDSA" with Ed25519 (RFC 8037 §3.1) or "ES256" (RFC 7518 §3.4). It stands in genesis and never
//! changes, so that no key set ever mixes kinds of keys, which many verifiers refuse; whoever wants both has two issuers.

use crate::{cbor::Array, jwk::PublicJwk};
use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// JWS algorithm of tokens. In CBOR and in files it is the text that headers carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TokenAlg {
    /// Ed25519.
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    Es256,
}

/// The text is no algorithm that tokens are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tokens are not signed with this algorithm; write \"EdDSA\" or \"ES256\", exactly so")]
pub struct BadTokenAlg;

/// The bytes are no sound public key of the tenant's algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public token key of {0}")]
pub struct BadTokenKey(pub TokenAlg);

impl TokenAlg {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::EdDsa, Self::Es256];

    /// The `alg` of headers, key set and discovery.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }

    /// The token key of a keys entry, the only way to one: 32 bytes (RFC 8032 §5.1.5) for EdDSA, 64 bytes x ‖ y for ES256. A key of the
    /// other algorithm, a point that is not on the curve and one of small order are refused.
    pub fn token_key(self, bytes: &[u8]) -> Result<PublicJwk, BadTokenKey> {
        let bad = BadTokenKey(self);
        let key = match self {
            Self::EdDsa => PublicJwk::Ed25519(Array(bytes.try_into().map_err(|_| bad)?)),
            Self::Es256 => PublicJwk::P256(Array(bytes.try_into().map_err(|_| bad)?)),
        };
        if key.is_sound() { Ok(key) } else { Err(bad) }
    }
}

impl fmt::Display for TokenAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TokenAlg {
    type Err = BadTokenAlg;
    fn from_str(text: &str) -> Result<Self, BadTokenAlg> {
        Self::ALL.into_iter().find(|alg| alg.name() == text).ok_or(BadTokenAlg)
    }
}

impl TryFrom<String> for TokenAlg {
    type Error = BadTokenAlg;
    fn try_from(text: String) -> Result<Self, BadTokenAlg> {
        text.parse()
    }
}

impl From<TokenAlg> for String {
    fn from(alg: TokenAlg) -> Self {
        alg.name().to_owned()
    }
}

impl<C> Encode<C> for TokenAlg {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(self.name())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for TokenAlg {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?
            .parse()
            .map_err(|_| minicbor::decode::Error::message("an algorithm that tokens are not signed with"))
    }
}
