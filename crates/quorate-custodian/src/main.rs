//! `quorate-custodian`: one custodian as a process of its own.

use quorate_custodian::run::{HELP, Options, run};
use std::path::PathBuf;
use std::process::ExitCode;

struct Arguments {
    config: PathBuf,
    json: bool,
    level: tracing::Level,
    options: Options,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    if words.next().as_deref() != Some("run") {
        return Err("expected `run`".to_owned());
    }
    let mut config = None;
    let mut arguments = Arguments {
        config: PathBuf::new(),
        json: false,
        level: tracing::Level::INFO,
        options: Options::default(),
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--config" => config = Some(PathBuf::from(value()?)),
            "--log" => match value()?.as_str() {
                "json" => arguments.json = true,
                "text" => arguments.json = false,
                other => return Err(format!("--log is text or json, not {other:?}")),
            },
            "--log-level" => arguments.level = value()?.parse().map_err(|_| "unknown log level".to_owned())?,
            "--end-with-stdin" => arguments.options.end_with_stdin = true,
            other => return Err(format!("unknown option {other:?}")),
        }
    }
    arguments.config = config.ok_or("--config FILE is missing")?;
    Ok(arguments)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("--help" | "-h") | None => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some("--version") => {
            println!("quorate-custodian {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Some(_) => {}
    }
    let arguments = match parse(words.into_iter()) {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("quorate-custodian: {what}; see --help");
            return ExitCode::from(2);
        }
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(arguments.level)
        .with_writer(std::io::stderr);
    if arguments.json {
        lines.json().init()
    } else {
        lines.init()
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("quorate-custodian: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(&arguments.config, arguments.options));
    // What still reads standard input, which nobody can interrupt, does not keep the process alive.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            let mut text = fatal.to_string();
            let mut source = std::error::Error::source(&fatal);
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            if arguments.json && tracing::enabled!(tracing::Level::ERROR) {
                tracing::error!("{text}");
            } else {
                eprintln!("quorate-custodian: {text}");
            }
            ExitCode::FAILURE
        }
    }
}
