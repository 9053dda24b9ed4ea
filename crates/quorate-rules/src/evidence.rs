//! What a client or user presents; it goes to the signer set only, and only its digest is kept.

use crate::{canonical, cbor::Canonical, domain, leaf::Class};
use minicbor::{Decode, Encode};
use quorate_tlog::hash::{Hash, sha256};

/// Evidence of one class (PROTOCOL §4).
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Evidence {
    /// Class C: the compact JWS of `private_key_jwt` (RFC 7523).
    #[n(2)]
    ClientKey(#[n(0)] String),
}
canonical!(Evidence => "evidence");

impl Evidence {
    /// The class that this evidence can prove.
    pub const fn class(&self) -> Class {
        match self {
            Self::ClientKey(_) => Class::ClientKey,
        }
    }

    /// Digest kept in the body: which evidence it was, without the evidence.
    pub fn digest(&self) -> Hash {
        sha256(&[domain::EVIDENCE, &self.to_canonical()])
    }
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Evidence is replayable until its batch is certified, so it never stands in a log line.
        write!(f, "Evidence::{:?}(redacted)", self.class())
    }
}
