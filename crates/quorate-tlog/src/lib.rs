//! Reads, writes and checks the C2SP log formats and the Merkle mathematics, and follows a log from one checkpoint to the next.
//!
//! Floor 0, pure: no I/O, no clock, no ambient randomness, no panics. One public specification is one module named after it.
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

pub mod checkpoint;
pub mod cosignature;
pub mod follow;
pub mod hash;
pub mod note;
pub mod policy;
pub mod proof;
pub mod range;
pub mod tile;
pub mod tlog_proof;
