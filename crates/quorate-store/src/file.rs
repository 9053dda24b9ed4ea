//! Single files: written whole or not at all, read within bounds.

use crate::StoreError;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// When a file must be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Before the call returns.
    Now,
    /// When the operating system likes: the file can be derived again.
    Later,
}

/// Writes a secret durably, readable by its owner only.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_with(path, bytes, Durability::Now, 0o600)
}

/// Writes a file whole: readers see the old or the new one.
pub fn write_whole(path: &Path, bytes: &[u8], durability: Durability) -> Result<(), StoreError> {
    write_with(path, bytes, durability, 0o644)
}

fn write_with(path: &Path, bytes: &[u8], durability: Durability, mode: u32) -> Result<(), StoreError> {
    let fail = |error| StoreError::io(path, error);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // No object's path has this character, so no object is written over by another one in the making.
    name.push("~new");
    let new = path.with_file_name(name);
    // What a killed process left is not written into: it would lend its own mode to a secret.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)
        .map_err(fail)?;
    let written = file.write_all(bytes).and_then(|()| match durability {
        Durability::Now => file.sync_all(),
        Durability::Later => Ok(()),
    });
    if let Err(error) = written.and_then(|()| fs::rename(&new, path)) {
        // The file that was there before stays; the half-written one goes.
        let _ = fs::remove_file(&new);
        return Err(fail(error));
    }
    if let (Durability::Now, Some(parent)) = (durability, path.parent()) {
        File::open(parent)
            .and_then(|directory| directory.sync_all())
            .map_err(fail)?;
    }
    Ok(())
}

/// Reads a file of at most `max` bytes; `None` if there is none.
pub fn read_bounded(path: &Path, max: usize) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(path, error)),
    };
    let mut bytes = Vec::new();
    file.take(max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| StoreError::io(path, error))?;
    if bytes.len() > max {
        return Err(StoreError::Damaged {
            path: path.to_owned(),
            what: "larger than it may be",
        });
    }
    Ok(Some(bytes))
}
