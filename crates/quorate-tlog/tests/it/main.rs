//! Trees, proofs and formats through the public interface only, next to a naive recursion and to other implementations.

mod following;
mod formats;
mod mutations;
mod oracles;
mod recursion;
mod trees;
mod trust;
