//! Makes, keeps and uses key shares, as state machines over bytes it is given.
//!
//! Floor 0, pure: no I/O, no clock, no ambient randomness, no panics. A scheme with any number of rounds plugs in behind
//! [`Scheme`]; [`FrostEd25519`] (RFC 9591) is the one for EdDSA tokens and for checkpoints, [`Dkls23P256`] the one for ES256 tokens. A share is used through [`sign`]
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

mod dkls;
pub mod domain;
pub mod fast_p256;
mod frost;
mod group;
mod round;
mod scheme;
mod session;
mod transcript;

pub use dkls::Dkls23P256;
pub use frost::FrostEd25519;
pub use group::{BadGroup, GroupKey, Identifier, Parameters};
pub use round::{RoundInputs, RoundOutput};
pub use scheme::{
    AggregateError, BadShare, BadSignature, Dealt, DkgContext, DkgError, DkgRound, DkgStep, KeyShare, Opened, Scheme,
};
pub use session::{Advance, Authorized, Permit, Session, SessionState, SignError, Step, sign};
