//! Key files: 32 bytes as 64 hex digits, readable by their owner only.

use quorate_store::{StoreError, file};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is none. Keys are made only when asked for.
    #[error("there is no key file {0}; keys are never made by accident")]
    Missing(PathBuf),
    /// It is not 64 hex digits.
    #[error("{0} is not a key file: expected 64 hex digits")]
    Malformed(PathBuf),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a key file.
pub fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let text = file::read_bounded(path, 128)?.ok_or_else(|| KeyFileError::Missing(path.to_owned()))?;
    let text = Zeroizing::new(text);
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_ascii_end(), key.as_mut()).map_err(|_| KeyFileError::Malformed(path.to_owned()))?;
    Ok(key)
}

/// Writes a key file, durably.
pub fn write_key(path: &Path, key: &[u8; 32]) -> Result<(), StoreError> {
    let mut text = Zeroizing::new(hex::encode(key).into_bytes());
    text.push(b'\n');
    file::write_secret(path, &text)
}
