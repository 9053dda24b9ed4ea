//! The command line says what it does: `docs/cli.md` is what `--help` prints, and nothing goes without words.

use crate::{system::QUORATE, written};
use clap::{Command as Clap, CommandFactory};
use quorate::cli::Cli;
use std::fmt::Write;
use std::process::{Command, Stdio};

/// What a command's `--help` prints where no terminal says how wide it is.
fn help(path: &[&str]) -> String {
    let output = Command::new(QUORATE)
        .args(path)
        .arg("--help")
        .env_remove("COLUMNS")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{path:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Names of the subcommands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let commands = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let commands = commands.split("\n\n").next().unwrap_or_default();
    let names = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn describe(path: &[&str], document: &mut String) {
    let text = help(path);
    let name = [&["quorate"], path].concat().join(" ");
    let depth = "#".repeat(path.len() + 2);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let _ = write!(
        document,
        "\n{depth} {name}\n\n```\n{}\n```\n",
        lines.join("\n").trim_end()
    );
    for sub in listed(&text) {
        describe(&[path, &[sub.as_str()]].concat(), document);
    }
}

#[test]
fn the_document_is_what_help_prints() {
    let mut document =
        "# Command line\n\nWritten by `crates/quorate/tests/it/help.rs` from what `--help` prints.\n".to_owned();
    describe(&[], &mut document);
    let _ = write!(
        document,
        "\n## quorate-custodian\n\n```\n{}\n```\n",
        quorate_custodian::run::HELP.trim_end()
    );
    written::check("docs/cli.md", &document);
}

/// Visible commands below this one, with their paths.
fn visible(command: &Clap, path: &str, found: &mut Vec<(String, Clap)>) {
    found.push((path.to_owned(), command.clone()));
    for sub in command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
    {
        visible(sub, &format!("{path} {}", sub.get_name()), found);
    }
}

#[test]
fn no_command_and_no_option_goes_without_words() {
    let mut command = Cli::command();
    command.build();
    let mut all = Vec::new();
    visible(&command, "quorate", &mut all);
    let names: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        listed(&help(&[])).len(),
        command.get_subcommands().filter(|sub| !sub.is_hide_set()).count() - 1
    );
    assert!(!names.contains(&"quorate custodian-of-up"));
    for (path, command) in &all {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(about.len() > 10, "{path} has no description");
        assert!(
            !about.ends_with('.') || path == "quorate",
            "{path}: clap drops the full stop of a summary"
        );
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let words = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(words.len() > 5, "{path}: {} has no description", argument.get_id());
            // A value is named after what it is, not after its option.
            let names = argument.get_value_names().unwrap_or_default();
            let own = argument.get_id().as_str().to_uppercase();
            let taken = argument.get_action().takes_values() && argument.get_long().is_some();
            let echo = names.iter().any(|name| name.as_str() == own) && own.contains('_');
            assert!(!taken || !echo, "{path}: --{own} <{own}> says nothing");
        }
    }
}

#[test]
fn what_is_hidden_is_for_programs_only() {
    let documented = help(&[]) + &help(&["up"]) + &help(&["gateway"]);
    for hidden in ["end-with-stdin", "custodian-of-up", "--link-delay"] {
        assert!(!documented.contains(hidden), "{hidden}");
    }
}

#[test]
fn mistakes_are_told_with_a_way_on() {
    let told = |arguments: &[&str]| {
        let output = Command::new(QUORATE)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(told(&["tokens"]).contains("'token'"));
    assert!(told(&["token"]).contains("--client <ID>"));
    assert!(told(&["gateway"]).contains("--config <FILE>"));
    assert!(told(&["log", "show", "first"]).contains("invalid digit"));
    assert!(told(&["verify", "x", "--isuer", "y"]).contains("--issuer"));
    let fails = |arguments: &[&str]| {
        let output = Command::new(QUORATE)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let missing = fails(&["token", "--client", "a", "--data-dir", "/nonexistent"]);
    assert!(missing.contains("quorate up"), "{missing}");
    let level = fails(&["--log-level", "=", "status"]);
    assert!(level.contains("--log-level"), "{level}");
    let config = fails(&["gateway", "--config", "/nonexistent/gateway.toml"]);
    assert!(config.contains("/nonexistent/gateway.toml"), "{config}");
}

#[test]
fn bench_removes_nothing_that_it_did_not_make() {
    let directory = tempfile::tempdir().unwrap();
    let notes = directory.path().join("notes.txt");
    std::fs::write(&notes, "somebody's work").unwrap();
    let output = Command::new(QUORATE)
        .args(["bench", "--dir"])
        .arg(directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("must not be there yet"));
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "somebody's work");
}

#[test]
fn a_refused_client_identifier_names_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir_all(data.join("clients")).unwrap();
    let tenant = "issuer = \"http://localhost:1\"\ngateway = \"http://localhost:2\"\nport = 1\ncustodians = 4\nthreshold = 3\nfaulty = 1\ndemo = true\n";
    std::fs::write(data.join("tenant.toml"), tenant).unwrap();
    for id in ["../escaped", "a/b", "", ".. ", &"x".repeat(65)] {
        let output = Command::new(QUORATE)
            .args(["client", "add", id, "--data-dir"])
            .arg(&data)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && told.contains("not a valid client id"),
            "{id:?}: {told}"
        );
    }
    assert_eq!(std::fs::read_dir(data.join("clients")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 2);
}
