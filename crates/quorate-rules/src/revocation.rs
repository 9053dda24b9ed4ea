//! Revocation: tokens and sessions are stopped by the person they speak for, or because their code came back (RFC 6749 §4.1.2). Stopping
//! needs one.

use crate::{
    Refusal,
    anchor::Anchor,
    authorization::{Authorization, code_hash},
    body::TokenBody,
    canonical,
    cbor::{Array, Bytes, Canonical},
    domain,
    grant::Jti,
    json::StrictObject,
    leaf::{Leaf, commitment},
    name::{Issuer, Subject},
    person::Stopped,
    webauthn::Assertion,
};
use minicbor::{Decode, Encode};
use quorate_tlog::hash::sha256;

/// How long a stopped token is remembered: longer than any token lives, milliseconds.
pub const TOKEN_MEMORY_MS: u64 = 25 * 3_600_000;
/// How long a stopped session is remembered: longer than a token lives that was issued when the session ended, milliseconds.
pub const SESSION_MEMORY_MS: u64 = 34 * 3_600_000;

/// Length of a session identifier: 16 bytes in base64url.
const SID_LENGTH: usize = 22;

/// What a person signs: the opening of the leaf of the token that is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RevocationStatement {
    /// Format version, 1.
    #[n(0)]
    pub version: u8,
    /// The tenant.
    #[n(1)]
    pub issuer: Issuer,
    /// Index of the leaf.
    #[n(2)]
    pub index: u64,
    /// Its salt.
    #[n(3)]
    pub salt: Array<32>,
    /// Its body.
    #[n(4)]
    pub body: Bytes,
    /// Not before this head.
    #[n(5)]
    pub anchor: Anchor,
}

/// Body of a revocation entry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum RevocationBody {
    /// By the person that the token speaks for: canonical statement, and a passkey's answer.
    #[n(0)]
    ByOwner(#[n(0)] Bytes, #[n(1)] Assertion),
    /// The code was redeemed again: canonical grant, credential id or session key, and the code.
    #[n(1)]
    ReusedCode(#[n(0)] Bytes, #[n(1)] Bytes, #[n(2)] Array<32>),
}

canonical!(RevocationStatement => "revocation statement", RevocationBody => "revocation");

/// What the token of an opened leaf says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedToken {
    /// Whom it speaks for.
    pub sub: Subject,
    /// Its identifier, if it is an access token.
    pub jti: Option<Array<32>>,
    /// Its session.
    pub sid: Option<String>,
}

impl RevocationStatement {
    /// What a passkey signs as its challenge.
    pub fn challenge(&self) -> [u8; 32] {
        *sha256(&[domain::REVOKE, &self.to_canonical()]).as_bytes()
    }

    /// Reads the token that the statement opens.
    pub fn token(&self) -> Result<OpenedToken, Refusal> {
        let read = || -> Option<OpenedToken> {
            let body = TokenBody::from_canonical(&self.body).ok()?;
            let claims = StrictObject::parse(&body.claims)?;
            let jti = claims
                .text("jti")
                .map(|text| Jti::parse(text).map(|jti| Array(*jti.as_bytes())));
            Some(OpenedToken {
                sub: Subject::new(claims.text("sub")?).ok()?,
                jti: match jti {
                    Some(jti) => Some(jti?),
                    None => None,
                },
                sid: match claims.text("sid") {
                    Some(sid) if sid.len() > SID_LENGTH => return None,
                    sid => sid.map(str::to_owned),
                },
            })
        };
        read().ok_or(Refusal::WrongRevocation)
    }

    /// Whether the statement opens this leaf, which stands at its index in one's own log.
    pub fn opens(&self, leaf: &[u8]) -> bool {
        Leaf::decode(leaf).is_ok_and(|leaf| leaf.commit == commitment(&self.salt.0, &self.body))
    }
}

impl RevocationBody {
    /// Reads the statement of an owner.
    pub fn statement(&self) -> Option<Result<RevocationStatement, Refusal>> {
        match self {
            Self::ByOwner(bytes, _) => {
                Some(RevocationStatement::from_canonical(bytes).map_err(|_| Refusal::WrongRevocation))
            }
            Self::ReusedCode(..) => None,
        }
    }
}

/// The tokens that a code which came back stood for; whoever shows the code may stop them.
pub(crate) fn of_reused_code(
    issuer: &Issuer,
    grant: &[u8],
    identity: &[u8],
    code: &Array<32>,
) -> Result<Stopped, Refusal> {
    let authorization = Authorization::read(grant)?;
    if authorization.issuer != *issuer {
        return Err(Refusal::WrongIssuer);
    }
    if authorization.code_hash != code_hash(&code.0) {
        return Err(Refusal::WrongCode);
    }
    let by_session = authorization.session.is_some_and(|key| key == *identity);
    let jti = if by_session {
        Jti::of_session(identity, grant)
    } else {
        Jti::of_passkey(identity, grant)
    };
    Ok(Stopped::Code(Array(*jti.as_bytes())))
}
