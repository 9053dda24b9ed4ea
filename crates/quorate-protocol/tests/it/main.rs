//! The real machines under a seeded, deterministic simulator.

mod disk;
mod founding;
mod generator;
mod invariants;
mod simulator;
mod tests;
