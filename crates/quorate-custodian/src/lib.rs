//! Runs one custodian: link to the gateway, disk, sealing of its share, alarms.
//!
//! Floor 3. Everything that is decided here is decided by [`quorate_protocol::custodian::Custodian`]; this crate gives it a clock, a
//! disk and a peer, and sends an answer only when what it depends on is durable ([`node::Node`]).

pub mod clock;
pub mod config;
pub mod counters;
pub mod files;
pub mod harden;
pub mod link;
pub mod node;
pub mod run;
pub mod sealed;
pub mod tls;
