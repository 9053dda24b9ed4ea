//! The issuer site: static files. The pages are embedded; the derived files come from the log.

pub mod derived;
pub mod pages;
pub mod serve;

use crate::{
    layout::{Layout, TenantFile},
    supervise,
};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use quorate_store::file;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use derived::{VerifiedKeys, fetch_keys, verify_keys};

/// `quorate site`
#[derive(Debug, Subcommand)]
pub enum SiteCommand {
    /// Serve a directory as the issuer site, over plain http: for a demo, or behind a proxy that speaks https.
    Serve(ServeArgs),
    /// Write the site for any static host: the pages, and the derived files of the running tenant, checked against genesis.
    ///
    /// Beside the directory stand DIR.nginx.conf and DIR.Caddyfile, with the headers that the host must send. The issuer's own host
    /// name must serve nothing else.
    Export(ExportArgs),
}

/// `quorate site serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Directory of the site, as `quorate site export` writes it.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Address to listen on, such as 127.0.0.1:8410.
    #[arg(long, value_name = "ADDRESS")]
    listen: String,
    /// End when standard input closes.
    #[arg(long, hide = true)]
    end_with_stdin: bool,
}

/// `quorate site export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    common: crate::cli::Common,
    /// Directory to write to; made if it is not there.
    #[arg(value_name = "TO")]
    dir: PathBuf,
}

/// Runs the command.
pub async fn run(command: SiteCommand) -> Result<ExitCode> {
    match command {
        SiteCommand::Serve(args) => serve(args).await?,
        SiteCommand::Export(args) => {
            let layout = args.common.layout();
            let tenant = layout.tenant()?;
            write(&layout, &tenant, &args.dir).await?;
            let [nginx, caddy] = write_snippets(&tenant, &args.dir)?;
            if args.common.json {
                println!("{}", json!({ "written": args.dir, "nginx": nginx, "caddy": caddy }));
            } else {
                println!("wrote the issuer site to {}", args.dir.display());
                println!(
                    "headers for nginx in {}, for Caddy in {}",
                    nginx.display(),
                    caddy.display()
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes pages and derived files.
pub async fn write(layout: &Layout, tenant: &TenantFile, dir: &Path) -> Result<()> {
    let keys = fetch_keys(layout, tenant).await?;
    let put = |path: &str, bytes: &[u8]| -> Result<()> {
        let place = dir.join(path);
        std::fs::create_dir_all(place.parent().unwrap_or(dir))?;
        Ok(file::write_whole(&place, bytes, file::Durability::Now)?)
    };
    for (path, text) in derived::files(tenant, &keys)? {
        put(path, text.as_bytes())?;
    }
    write_pages(dir)
}

/// Writes the pages of this release.
pub fn write_pages(dir: &Path) -> Result<()> {
    for page in pages::all()? {
        let place = dir.join(&page.path);
        std::fs::create_dir_all(place.parent().unwrap_or(dir))?;
        file::write_whole(&place, &page.bytes, file::Durability::Later)?;
    }
    Ok(())
}

/// Writes the configuration of static hosts beside the directory.
fn write_snippets(tenant: &TenantFile, dir: &Path) -> Result<[PathBuf; 2]> {
    let root = std::path::absolute(dir)?;
    let name = root
        .file_name()
        .and_then(|name| name.to_str())
        .context("name a directory to write to")?;
    let page = std::fs::read_to_string(root.join("authorize.html"))?;
    let policy = pages::content_security_policy(&page, &tenant.gateway);
    let text = root.to_string_lossy();
    let nginx = root.with_file_name(format!("{name}.nginx.conf"));
    let caddy = root.with_file_name(format!("{name}.Caddyfile"));
    file::write_whole(&nginx, pages::nginx(&text, &policy).as_bytes(), file::Durability::Later)?;
    file::write_whole(&caddy, pages::caddy(&text, &policy).as_bytes(), file::Durability::Later)?;
    Ok([nginx, caddy])
}

async fn serve(args: ServeArgs) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(crate::cli::address(&args.listen)?)
        .await
        .with_context(|| format!("cannot listen on {}; is another process there?", args.listen))?;
    let mut stop = supervise::stop_signal(args.end_with_stdin);
    // A directory that is written while the process waits is served as soon as it is there.
    let router = loop {
        match serve::router(&args.dir) {
            Ok(router) => break router,
            Err(error) if !args.end_with_stdin => return Err(error),
            Err(_) => tokio::select! {
                () = tokio::time::sleep(WAIT) => {}
                _ = stop.changed() => return Ok(()),
            },
        }
    };
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { while !*stop.borrow_and_update() && stop.changed().await.is_ok() {} })
        .await?;
    Ok(())
}

/// Pause between looks for a site that `up` has yet to write.
const WAIT: std::time::Duration = std::time::Duration::from_millis(50);
