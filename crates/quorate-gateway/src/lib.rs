//! Runs one gateway: OAuth endpoints, batching, log writing, publication.
//!
//! Floor 3. The gateway has no authority: it holds no share, decides no claim, and no custodian believes it. What it judges early it
//! judges with the custodians' own code ([`quorate_rules`]), and what it proposes it builds with theirs ([`quorate_protocol`]).

pub mod admin;
pub mod anchors;
pub mod bearer;
pub mod clock;
pub mod codes;
pub mod config;
pub mod custodians;
pub mod http;
pub mod ledger;
pub mod oauth;
pub mod publish;
pub mod run;
pub mod sequencer;
mod serve;
pub mod shepherd;
pub mod tls;
pub mod token_request;
