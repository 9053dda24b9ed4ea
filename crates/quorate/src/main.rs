//! `quorate`: everything that is not a custodian on somebody else's machine.

use clap::Parser;
use quorate::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Installing twice is the only way this fails, and it happens once.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = Cli::parse();
    let as_json = cli.writes_json();
    match cli.run() {
        Ok(code) => code,
        Err(error) => {
            // The last line has the form of those before it, unless there is nothing yet that could write it.
            if as_json && tracing::enabled!(tracing::Level::ERROR) {
                tracing::error!("{error:#}");
            } else {
                eprintln!("quorate: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
