//! The real machines under a seeded, deterministic simulator.

#![expect(unreachable_pub, reason = "modules of one test binary share their items as they are")]

mod disk;
mod founding;
mod generator;
mod invariants;
mod simulator;
mod tests;
