//! Sealed key shares: one file for each DKG, never in the database. XChaCha20-Poly1305 under the seal key; the associated data ties a
//! file to tenant, custodian and transcript.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use quorate_store::{StoreError, file};
use rand_core::{OsRng, RngCore};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// First bytes of a sealed file.
const MAGIC: &[u8; 16] = b"quorate-share/1\n";
/// Largest sealed file, bytes; ECDSA shares are a few hundred kilobytes.
const MAX_FILE: usize = 4 << 20;

/// The sealed shares of one custodian.
pub struct SealedShares {
    directory: PathBuf,
    cipher: XChaCha20Poly1305,
    context: Vec<u8>,
}

/// Shares as they were read: the transcript that names them, and their secret bytes.
pub type OpenedShares = ([u8; 32], Zeroizing<Vec<u8>>);

/// A sealed file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It does not open.
    #[error("{0} does not open: the seal key is another one, or the file belongs to another custodian or was altered")]
    DoesNotOpen(PathBuf),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SealedShares {
    /// The shares of one custodian of one tenant, in a directory that is made if it is not there.
    pub fn open(
        directory: &Path,
        seal_key: &[u8; 32],
        genesis_hash: &[u8; 32],
        number: u16,
    ) -> Result<Self, SealError> {
        std::fs::create_dir_all(directory).map_err(|source| StoreError::Io {
            path: directory.to_owned(),
            source,
        })?;
        let context = [&genesis_hash[..], &number.to_be_bytes()].concat();
        Ok(Self {
            directory: directory.to_owned(),
            cipher: XChaCha20Poly1305::new(seal_key.into()),
            context,
        })
    }

    fn place(&self, transcript: &[u8; 32]) -> PathBuf {
        self.directory.join(format!("{}.sealed", hex::encode(transcript)))
    }

    /// Writes one file durably.
    pub fn write(&self, transcript: &[u8; 32], bytes: &Zeroizing<Vec<u8>>) -> Result<(), SealError> {
        let mut nonce = XNonce::default();
        OsRng.fill_bytes(&mut nonce);
        let aad = [&self.context[..], transcript].concat();
        let place = self.place(transcript);
        let sealed = self
            .cipher
            .encrypt(&nonce, Payload { msg: bytes, aad: &aad })
            .map_err(|_| SealError::DoesNotOpen(place.clone()))?;
        file::write_secret(&place, &[&MAGIC[..], &nonce, &sealed].concat())?;
        Ok(())
    }

    /// Reads all files.
    pub fn read_all(&self) -> Result<Vec<OpenedShares>, SealError> {
        let io = |source| StoreError::Io {
            path: self.directory.clone(),
            source,
        };
        let mut shares = Vec::new();
        for item in std::fs::read_dir(&self.directory).map_err(io)? {
            let path = item.map_err(io)?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_suffix(".sealed"));
            let mut transcript = [0; 32];
            if name.is_none_or(|name| hex::decode_to_slice(name, &mut transcript).is_err()) {
                continue;
            }
            let bad = || SealError::DoesNotOpen(path.clone());
            let bytes = file::read_bounded(&path, MAX_FILE)?.ok_or_else(bad)?;
            let rest = bytes.strip_prefix(MAGIC).ok_or_else(bad)?;
            let (nonce, sealed) = rest.split_first_chunk::<24>().ok_or_else(bad)?;
            let aad = [&self.context[..], &transcript].concat();
            let plain = self
                .cipher
                .decrypt(nonce.into(), Payload { msg: sealed, aad: &aad })
                .map_err(|_| bad())?;
            shares.push((transcript, Zeroizing::new(plain)));
        }
        Ok(shares)
    }

    /// Removes every file but one.
    pub fn remove_but(&self, keep: &[u8; 32]) -> Result<(), SealError> {
        for (transcript, _) in self.read_all()? {
            if transcript != *keep {
                let place = self.place(&transcript);
                std::fs::remove_file(&place).map_err(|source| StoreError::Io { path: place, source })?;
            }
        }
        Ok(())
    }
}
