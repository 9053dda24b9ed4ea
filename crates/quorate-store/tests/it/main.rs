//! What every store must hold, whatever it is made of: one list of checks for all log stores, and those of the other two kinds.

mod custodian;
mod files;
mod log_stores;
mod objects;
mod same;
