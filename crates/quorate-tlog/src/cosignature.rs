//! Cosignatures (C2SP tlog-cosignature v1.0.1, Ed25519): a time and a signature over time and note.

use crate::note::verify_ed25519;
use ed25519_dalek::{Signer, SigningKey};

/// Last time that the specification admits: 2^63 − 1.
pub const MAX_TIME_S: u64 = i64::MAX as u64;

/// Bytes of an encoded cosignature: u64be time, then the Ed25519 signature.
pub const COSIGNATURE_BYTES: usize = 72;

/// The bytes are no cosignature, or the time is later than [`MAX_TIME_S`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cosignature is a time before 2^63 and 64 bytes")]
pub struct BadCosignature;

/// A time and an Ed25519 signature, not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosignature {
    time_s: u64,
    signature: [u8; 64],
}

impl Cosignature {
    /// From its parts; the time is in seconds since 1970 UTC and at most [`MAX_TIME_S`].
    pub const fn new(time_s: u64, signature: [u8; 64]) -> Result<Self, BadCosignature> {
        if time_s > MAX_TIME_S {
            return Err(BadCosignature);
        }
        Ok(Self { time_s, signature })
    }

    /// Reads the bytes of a signature line, exactly as [`Cosignature::encode`] writes them.
    pub fn parse(blob: &[u8]) -> Result<Self, BadCosignature> {
        let (time, signature) = blob.split_first_chunk::<8>().ok_or(BadCosignature)?;
        let signature = signature.try_into().map_err(|_| BadCosignature)?;
        Self::new(u64::from_be_bytes(*time), signature)
    }

    /// The bytes of a signature line: `u64be time ‖ signature`.
    pub fn encode(&self) -> [u8; COSIGNATURE_BYTES] {
        let mut out = [0; COSIGNATURE_BYTES];
        let bytes = self.time_s.to_be_bytes().into_iter().chain(self.signature);
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        out
    }

    /// When it was made, seconds since 1970 UTC.
    pub const fn time_s(&self) -> u64 {
        self.time_s
    }

    /// The Ed25519 signature.
    pub const fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}

/// What a cosigner signs: header, time in seconds since 1970 UTC, the whole note text with its last line feed.
pub fn message(time_s: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes()
}

/// Signs a note text at a time, seconds since 1970 UTC. The key must sign nothing else: the message does not name the cosigner.
pub fn sign(key: &SigningKey, time_s: u64, text: &str) -> Result<Cosignature, BadCosignature> {
    Cosignature::new(time_s, key.sign(&message(time_s, text)).to_bytes())
}

/// Verifies the bytes of a signature line and returns the time, seconds since 1970 UTC.
pub fn verify(public: &[u8; 32], text: &str, blob: &[u8]) -> Option<u64> {
    let found = Cosignature::parse(blob).ok()?;
    verify_ed25519(public, &message(found.time_s, text), &found.signature).then_some(found.time_s)
}
