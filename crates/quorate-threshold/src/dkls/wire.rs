//! The library's messages and states as bytes (postcard, the encoding that its own frames use).

use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

/// Longest direct message of a signature, bytes: the one of phase 2 has some 55,400, whoever and however many sign.
pub(super) const MESSAGE_BYTES_MAX: usize = 60_000;
/// Longest direct message of a key generation, bytes.
pub(super) const DEAL_BYTES_MAX: usize = 256 * 1024;

/// Writes, wiped when dropped. `None` if the value has no encoding.
pub(super) fn write(value: &impl Serialize, room: usize) -> Option<Zeroizing<Vec<u8>>> {
    // Large enough from the start: a vector that grows leaves copies of secrets behind.
    postcard::to_extend(value, Vec::with_capacity(room))
        .ok()
        .map(Zeroizing::new)
}

/// Reads all of `bytes`, which are no longer than `most`.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], most: usize) -> Option<T> {
    if bytes.len() > most {
        return None;
    }
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}
