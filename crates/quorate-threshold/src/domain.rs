//! Every domain string of this crate.

/// Transcript of one DKG: ties the resulting key to everything that its participants broadcast.
pub const DKG_TRANSCRIPT: &[u8] = b"quorate/dkg-key-transcript/v1\0";

/// All of them, for the test that finds no twin across crates.
pub const ALL: &[&[u8]] = &[DKG_TRANSCRIPT];
