//! Keeps bytes durably: entries, compare-and-swap heads, immutable objects and small expiring tables; embedded or remote.
//!
//! Floor 0. Knows no message and no rule; decides nothing. Calls block: a caller on an async runtime runs them on a thread of its
//! own. [`LogStore`] is what a gateway needs, so small that another database is one more implementation of it; what a custodian
//! needs is always embedded ([`CustodianStore`]).

mod custodian;
mod error;
pub mod file;
mod log;
mod memory;
pub mod objects;
mod redb_log;

pub use custodian::{Changes, CustodianStore};
pub use error::{AppendError, StoreError};
pub use log::{Append, Expiring, Head, LogStore, Taken};
pub use memory::MemoryLog;
pub use objects::{DirectoryObjects, Objects};
pub use redb_log::RedbLog;
