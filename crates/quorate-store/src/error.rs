//! What can go wrong below.

use std::path::PathBuf;

/// The store failed. Whether the last write happened is not known: reload before going on (LOG.md, Durability).
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file open.
    #[error(
        "{path} is in use by another process; two processes must never share one data directory: stop the other one, or give this one its own"
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// No space left.
    #[error("the disk that holds {path} is full; free space and start again — nothing that was acknowledged is lost")]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database refused.
    #[error("the database {path} failed")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// What was read back is not what was written.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
    /// The path is not one that objects may have.
    #[error("not an object path: {0:?}")]
    BadPath(String),
    /// An immutable object stands there with other contents.
    #[error("{path} exists with other contents; immutable objects are never replaced")]
    Differs {
        /// The file.
        path: PathBuf,
    },
}

/// An append did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The head is not the expected one: another writer was there.
    #[error("the head of the log is not the expected one")]
    HeadMoved {
        /// The head that was found.
        found: Option<crate::Head>,
    },
    /// These keys stand already; nothing was written.
    #[error("{} keys are taken already", keys.len())]
    AlreadyTaken {
        /// The keys.
        keys: Vec<Vec<u8>>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StoreError {
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let path = path.into();
        if source.kind() == std::io::ErrorKind::StorageFull || source.kind() == std::io::ErrorKind::FileTooLarge {
            Self::DiskFull { path }
        } else {
            Self::Io { path, source }
        }
    }

    pub(crate) fn database(path: impl Into<PathBuf>, source: impl Into<redb::Error>) -> Self {
        let path = path.into();
        match source.into() {
            redb::Error::DatabaseAlreadyOpen => Self::InUse { path },
            redb::Error::Io(source) => Self::io(path, source),
            source => Self::Database {
                path,
                source: Box::new(source),
            },
        }
    }
}
