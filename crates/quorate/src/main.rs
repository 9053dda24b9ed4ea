//! `quorate`: everything that is not a custodian on somebody else's machine.

use clap::Parser;
use quorate::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Installing twice is the only way this fails, and it happens once.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("quorate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
