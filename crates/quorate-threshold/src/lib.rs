//! Makes, keeps and uses key shares, as state machines over bytes it is given.
//!
//! Floor 0, pure: no I/O, no clock, no ambient randomness, no panics. A scheme with any number of rounds plugs in behind
//! [`Scheme`]; [`FrostEd25519`] (RFC 9591) is the one for EdDSA tokens and for checkpoints. A share is used through [`sign`]
//! only, which demands a [`Permit`] and consumes the session with its nonces.
//!
//! One signature, seen from one signer: [`KeyShare::commit`] gives a [`Session`] and the first output; every later round is one
//! call of [`sign`] with the last outputs of all signers; the coordinator hands all outputs to [`Scheme::aggregate`], which
//! returns a verified signature or names who cheated.
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

pub mod domain;
mod frost;
mod group;
mod scheme;
mod session;

pub use frost::FrostEd25519;
pub use group::{BadGroup, GroupKey, Identifier, Parameters};
pub use scheme::{
    AggregateError, BadShare, BadSignature, DealsMade, Dealt, DkgContext, DkgDealing, DkgError, DkgRound, KeyShare,
    Opened, Scheme,
};
pub use session::{Advance, Authorized, Permit, Session, SessionState, SignError, Step, sign};
