//! The real machines: each refusal on its own, a scheme of three rounds, and all of it under a seeded, deterministic simulator.

#![expect(unreachable_pub, reason = "modules of one test binary share their items as they are")]

#[path = "../../../quorate-threshold/tests/it/commit_reveal.rs"]
mod commit_reveal;
mod disk;
mod ecdsa;
mod encodings;
mod founding;
mod four;
mod generator;
mod invariants;
#[path = "../../../quorate-rules/tests/it/mangled.rs"]
mod mangled;
mod passkey;
mod people;
mod person_vectors;
mod refusals;
mod simulator;
mod spec_examples;
mod tests;
mod three_rounds;
mod written;
