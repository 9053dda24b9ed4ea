//! Everything that another party sends and this crate reads: strictly or not at all, and never with a panic.

#![expect(unreachable_pub, reason = "modules of one test binary share their items as they are")]

mod assertions;
mod bodies;
mod jwks;
mod mangled;
mod names;
mod tenant;
