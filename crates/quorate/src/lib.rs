//! Command line, configuration, wiring and laptop mode of Quorate.
//!
//! Floor 4: puts processes together and talks to people. Decides nothing.

pub mod admin;
pub mod bench;
pub mod cli;
pub mod client;
pub mod client_key;
pub mod clock;
pub mod delay;
pub mod demo;
pub mod founding;
pub mod layout;
pub mod log;
pub mod public;
pub mod rekey;
pub mod site;
pub mod soft_page;
pub mod soft_passkey;
pub mod status;
pub mod supervise;
pub mod tenant;
pub mod token;
pub mod up;
pub mod user;
pub mod verify;
