//! DKG and signing through the public interface only.

mod ceremony;
mod commit_reveal;
mod decoding;
mod dkg;
mod ecdsa;
mod oracle;
mod secrecy;
mod signing;
mod three_rounds;
