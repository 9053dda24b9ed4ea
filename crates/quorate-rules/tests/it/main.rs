//! Everything that another party sends and this crate reads: strictly or not at all, and never with a panic; and the passkey verifier
//! against another's.

#![expect(unreachable_pub, reason = "modules of one test binary share their items as they are")]

mod assertions;
mod authenticator;
mod bodies;
mod jwks;
mod mangled;
mod names;
mod passkey_cases;
mod passkey_mutations;
mod passkey_oracle;
mod passkey_steps;
mod passkey_vectors;
mod people;
mod tenant;
mod token_algs;
mod token_vectors;
mod waiting;
