//! `quorate status`.

use crate::{cli::Common, clock, public};
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;

/// Arguments.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub async fn run(args: StatusArgs) -> Result<ExitCode> {
    let tenant = args.common.layout().tenant()?;
    let status = public::json(&public::http()?, &format!("{}/status", tenant.gateway)).await?;
    if args.common.json {
        println!("{status}");
        return Ok(ExitCode::SUCCESS);
    }
    let quorum = &status["quorum"];
    println!(
        "{}  {}  tokens by {}",
        status["issuer"].as_str().unwrap_or("?"),
        if status["ready"] == true { "ready" } else { "NOT READY" },
        status["token_alg"].as_str().unwrap_or("?")
    );
    println!(
        "log {} size {} view {} published {}",
        status["origin"], status["size"], status["view"], status["published"]
    );
    println!(
        "{} of {} custodians sign, {} vote now, margin {}",
        quorum["threshold"], quorum["custodians"], status["voting"], status["margin"]
    );
    println!(
        "{:<14} {:<8} {:<9} {:>10} {:>6} {:>6} {:>5}  last seen",
        "custodian", "link", "standing", "size", "view", "epoch", "inc"
    );
    for custodian in status["custodians"].as_array().into_iter().flatten() {
        let seen = custodian["last_seen_ms"].as_u64().filter(|ms| *ms > 0);
        let ago = seen.map_or("never".to_owned(), |ms| {
            format!("{:.1} s ago", clock::now_ms().saturating_sub(ms) as f64 / 1000.0)
        });
        println!(
            "{:<14} {:<8} {:<9} {:>10} {:>6} {:>6} {:>5}  {ago}{}",
            custodian["name"].as_str().unwrap_or("?"),
            if custodian["linked"] == true { "linked" } else { "DOWN" },
            custodian["standing"].as_str().unwrap_or("-"),
            custodian["size"].to_string(),
            custodian["view"].to_string(),
            custodian["epoch"].to_string(),
            custodian["incarnation"].to_string(),
            trouble(custodian),
        );
    }
    for ban in status["bans"].as_array().into_iter().flatten() {
        println!(
            "BAN: custodian {} caught custodian {} cheating and never signs with it again. Ask both operators; `quorate rekey` leads to new\n\
             keys without the one at fault (docs/OPERATING.md, \"A ban\"). Nobody else can tell which of the two it is, and nobody is removed.",
            ban["by"], ban["custodian"]
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// What keeps a custodian from taking part, in words.
fn trouble(custodian: &serde_json::Value) -> String {
    match custodian["refused"].as_str() {
        Some("time_ahead" | "time_behind") => {
            "  (refuses batches: its clock and the gateway's differ by more than 30 s)".to_owned()
        }
        Some(code) => format!("  (refuses batches: {code})"),
        None if custodian["suspect"] == true => "  (slow)".to_owned(),
        None => String::new(),
    }
}
