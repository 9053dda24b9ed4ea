//! What a client or user presents; it goes to the signer set only, and only its digest is kept.

use crate::{
    canonical,
    cbor::{Array, Bytes, Canonical},
    domain,
    leaf::Class,
    webauthn::Assertion,
};
use minicbor::{Decode, Encode};
use quorate_tlog::hash::{Hash, sha256};

/// Evidence of one class (PROTOCOL §4).
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Evidence {
    /// Classes A and B: a person's authorization, and its redemption by the client.
    #[n(0)]
    SignIn(#[n(0)] SignIn, #[n(1)] Redemption),
    /// Class C: the compact JWS of `private_key_jwt` (RFC 7523).
    #[n(2)]
    ClientKey(#[n(0)] String),
}

/// What the page hands to the gateway.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignIn {
    /// Canonical grant.
    #[n(0)]
    pub grant: Bytes,
    /// Who signed it.
    #[n(1)]
    pub answer: Answer,
}

/// A person's answer to a grant.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Answer {
    /// Class A: the passkey signed.
    #[n(0)]
    Passkey(#[n(0)] Assertion),
    /// Class B: the session key signed (P-256 with SHA-256, r ‖ s), which this tap authorised.
    #[n(1)]
    Session(#[n(0)] Array<64>, #[n(1)] Tap),
}

/// A passkey's answer to a grant.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Tap {
    /// Canonical grant.
    #[n(0)]
    pub grant: Bytes,
    /// The answer.
    #[n(1)]
    pub assertion: Assertion,
}

/// What the client adds when it redeems the code.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Redemption {
    /// The code.
    #[n(0)]
    pub code: Array<32>,
    /// PKCE verifier (RFC 7636 §4.1).
    #[n(1)]
    pub code_verifier: Option<String>,
    /// `redirect_uri` of the token request.
    #[n(2)]
    pub redirect_uri: Option<String>,
    /// Who redeems.
    #[n(3)]
    pub client: ClientProof,
    /// DPoP proof (RFC 9449).
    #[n(4)]
    pub dpop: Option<String>,
}

/// A client's own authentication.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum ClientProof {
    /// Public client.
    #[n(0)]
    None,
    /// Signed assertion (RFC 7523).
    #[n(1)]
    Assertion(#[n(0)] String),
    /// A secret, of which every custodian is sent its own part beside the evidence.
    #[n(2)]
    Secret,
}

canonical!(Evidence => "evidence", SignIn => "sign-in");

impl Evidence {
    /// The class that this evidence can prove.
    pub const fn class(&self) -> Class {
        match self {
            Self::SignIn(sign_in, _) => sign_in.class(),
            Self::ClientKey(_) => Class::ClientKey,
        }
    }

    /// Digest kept in the body: which evidence it was, without the evidence.
    pub fn digest(&self) -> Hash {
        sha256(&[domain::EVIDENCE, &self.to_canonical()])
    }

    /// Index of an older leaf of the log that a judge must know, besides recent heads.
    pub fn asks_for_leaf(&self) -> Option<u64> {
        match self {
            Self::SignIn(sign_in, _) => sign_in.asks_for_leaf(),
            Self::ClientKey(_) => None,
        }
    }
}

impl SignIn {
    /// The class that it can prove.
    pub const fn class(&self) -> Class {
        match &self.answer {
            Answer::Passkey(_) => Class::Passkey,
            Answer::Session(..) => Class::Session,
        }
    }

    /// Index of the last leaf before the tap that authorised a session.
    pub fn asks_for_leaf(&self) -> Option<u64> {
        match &self.answer {
            Answer::Passkey(_) => None,
            Answer::Session(_, tap) => {
                let grant = crate::authorization::Authorization::read(&tap.grant).ok()?;
                grant.anchor.size.checked_sub(1)
            }
        }
    }
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Evidence is replayable until its batch is certified, so it never stands in a log line.
        write!(f, "Evidence::{:?}(redacted)", self.class())
    }
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignIn::{:?}(redacted)", self.class())
    }
}
