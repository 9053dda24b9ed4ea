//! Objects by path: immutable ones, and the few that are replaced. A directory serves as well as an object store.

use crate::{StoreError, file};
use std::fs;
use std::path::{Path, PathBuf};

/// What a `create` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is there now.
    New,
    /// It was there, with the same contents.
    Same,
}

/// A place for objects.
pub trait Objects: Send + Sync {
    /// Writes an immutable object. One that is there already is compared; with other contents it is an error. Need not survive a
    /// power cut by itself: objects of a log can be derived again.
    fn create(&self, path: &str, bytes: &[u8]) -> Result<Created, StoreError>;

    /// Writes or replaces an object, durably and whole: readers see the old or the new one.
    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Reads an object of at most `max` bytes.
    fn get(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, StoreError>;
}

/// Objects as files below one directory.
#[derive(Debug, Clone)]
pub struct DirectoryObjects {
    root: PathBuf,
}

impl DirectoryObjects {
    /// Objects below `root`, which is made if it is not there.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(root).map_err(|error| StoreError::io(root, error))?;
        Ok(Self { root: root.to_owned() })
    }

    fn place(&self, path: &str) -> Result<PathBuf, StoreError> {
        let part = |part: &str| {
            !part.is_empty()
                && !part.starts_with("..")
                && part != "."
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        };
        if path.len() > 512 || !path.split('/').all(part) {
            return Err(StoreError::BadPath(path.to_owned()));
        }
        Ok(self.root.join(path))
    }
}

fn make_parent(place: &Path) -> Result<(), StoreError> {
    match place.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(|error| StoreError::io(parent, error)),
        None => Ok(()),
    }
}

impl Objects for DirectoryObjects {
    fn create(&self, path: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        let place = self.place(path)?;
        match fs::read(&place) {
            Ok(found) if found == bytes => return Ok(Created::Same),
            Ok(_) => return Err(StoreError::Differs { path: place }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io(place, error)),
        }
        make_parent(&place)?;
        file::write_whole(&place, bytes, file::Durability::Later)?;
        Ok(Created::New)
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let place = self.place(path)?;
        make_parent(&place)?;
        file::write_whole(&place, bytes, file::Durability::Now)
    }

    fn get(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, StoreError> {
        file::read_bounded(&self.place(path)?, max)
    }
}
