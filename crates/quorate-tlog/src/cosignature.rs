//! Cosignatures (C2SP tlog-cosignature v1.0.1, Ed25519): a time and a signature over time and note.

use crate::note::verify_ed25519;
use ed25519_dalek::{Signer, SigningKey};

/// What a cosigner signs: header, time in seconds since 1970 UTC, the whole note text.
pub fn message(time_s: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes()
}

/// Signs: the blob of a signature line is the time (u64be), then the signature.
pub fn sign(key: &SigningKey, time_s: u64, text: &str) -> Vec<u8> {
    [&time_s.to_be_bytes()[..], &key.sign(&message(time_s, text)).to_bytes()].concat()
}

/// Verifies a blob and returns its time in seconds.
pub fn verify(public: &[u8; 32], text: &str, blob: &[u8]) -> Option<u64> {
    let (time, signature) = blob.split_first_chunk::<8>()?;
    let time_s = u64::from_be_bytes(*time);
    // The specification bounds the time to 2^63 − 1.
    (time_s >> 63 == 0 && verify_ed25519(public, &message(time_s, text), signature)).then_some(time_s)
}
