//! One integration binary: what the rules do with what others made.

mod authenticator;
mod passkey_cases;
mod passkey_mutations;
mod passkey_oracle;
mod passkey_steps;
mod passkey_vectors;
