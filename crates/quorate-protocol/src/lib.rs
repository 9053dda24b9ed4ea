//! Says what a custodian and a coordinator answer to each message, and what they must have saved first.
//!
//! Floor 2, pure: state machines over messages, `now` and `rng` passed in. [`custodian::Custodian`] is one custodian;
//! [`coordinator`] is the gateway's side of a batch. Nothing here waits, reads a clock or touches a disk: whatever must be durable
//! before an answer leaves is handed out first, by type ([`step::Step`]).
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

pub mod attempt;
pub mod batch;
pub mod committee;
pub mod coordinator;
pub mod custodian;
pub mod dkg;
pub mod domain;
pub mod envelope;
pub mod equivocation;
pub mod head;
pub mod key_ring;
pub mod message;
pub mod permit;
pub mod saved;
pub mod sealing;
pub mod signed;
pub mod step;
pub mod tip;
pub mod vote;

pub use committee::Committee;
pub use head::{Head, View};
pub use quorate_rules::Refusal;
pub use vote::{Quorum, QuorumCertificate, Vote};
