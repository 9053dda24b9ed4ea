//! Reading what is public over HTTP, within bounds.

use anyhow::{Context, Result, bail};
use std::time::Duration;

/// Largest public document that is read.
const MAX: usize = 17 << 20;

/// An HTTP client for the command line.
pub fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .build()?)
}

/// A document; `None` if there is none.
pub async fn get(http: &reqwest::Client, url: &str) -> Result<Option<Vec<u8>>> {
    let mut response = http
        .get(url)
        .send()
        .await
        .with_context(|| format!("{url} does not answer; is it running?"))?;
    match response.status().as_u16() {
        200 => {}
        404 => return Ok(None),
        status => bail!("{url} answers {status}"),
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX {
            bail!("{url} is larger than {MAX} bytes");
        }
    }
    Ok(Some(bytes))
}

/// A document that must be there.
pub async fn need(http: &reqwest::Client, url: &str) -> Result<Vec<u8>> {
    get(http, url).await?.with_context(|| format!("{url} does not exist"))
}

/// A JSON document that must be there.
pub async fn json(http: &reqwest::Client, url: &str) -> Result<serde_json::Value> {
    serde_json::from_slice(&need(http, url).await?).with_context(|| format!("{url} is not JSON"))
}
