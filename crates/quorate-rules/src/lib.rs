//! Decides, from logged decisions and presented evidence alone, which claims a token may hold.
//!
//! Floor 1, pure: no I/O, no clock, no ambient randomness, no panics. Gateway and custodians call the same functions: the
//! gateway to answer early, each custodian to decide.
//!
//! The way of a token through this crate: [`judge`](judge::judge) turns [`Evidence`] into a [`Grant`]; a grant at a
//! [`Position`] of the log becomes a [`TokenEntry`] — public leaf, sealed body and the exact JWS signing input.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub mod anchor;
pub mod authorization;
pub mod body;
pub mod cbor;
pub mod claim;
pub mod client_assertion;
pub mod client_secret;
pub mod decision;
pub mod domain;
pub mod dpop;
pub mod enrolment;
pub mod evidence;
pub mod grant;
pub mod json;
pub mod judge;
pub mod jwk;
pub mod jws;
pub mod leaf;
pub mod name;
pub mod person;
pub mod quorum;
pub mod record;
pub mod redirect;
pub mod refusal;
pub mod registry;
pub mod revocation;
pub mod sign_in;
pub mod tag;
pub mod token;
pub mod token_alg;
pub mod webauthn;

pub use evidence::Evidence;
pub use grant::{Grant, Jti};
pub use leaf::{Class, EntryType, Leaf};
pub use quorum::QuorumRule;
pub use refusal::Refusal;
pub use registry::Registry;
pub use token::{Position, TokenEntry};
pub use token_alg::TokenAlg;

/// The newest version of the rules in this crate. A tenant's log activates a version by decision, so that custodians of two
/// releases build the same bytes (PROTOCOL §8).
pub const RULES_VERSION: u16 = 1;
