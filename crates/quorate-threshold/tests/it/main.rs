//! DKG and signing through the public interface only.

mod ceremony;
mod frost;
mod three_rounds;
