//! Command line, configuration, wiring and laptop mode of Quorate.
//!
//! Floor 4: puts processes together and talks to people. Decides nothing.

pub mod admin;
pub mod bench;
pub mod cli;
pub mod client_key;
pub mod clock;
pub mod delay;
pub mod layout;
pub mod log;
pub mod public;
pub mod site;
pub mod status;
pub mod supervise;
pub mod tenant;
pub mod token;
pub mod up;
pub mod verify;
