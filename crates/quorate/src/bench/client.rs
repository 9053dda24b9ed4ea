//! The load generator: connections that ask, wait for the answer, and ask again.

use super::{System, work::Work};
use anyhow::Result;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Latencies in microseconds, and errors.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) latencies_us: Vec<u64>,
    pub(super) errors: BTreeMap<String, u64>,
}

/// One HTTP exchange of an operation.
pub(super) struct Exchange {
    pub(super) path: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// The load generator.
pub(super) struct Client {
    address: String,
    work: Work,
}

impl Client {
    pub(super) fn new(system: &System, work: Work) -> Self {
        Self {
            address: system.gateway.trim_start_matches("http://").to_owned(),
            work,
        }
    }

    pub(super) async fn one_by_one(self: &Arc<Self>, count: usize) -> Result<Tally> {
        let mut sender = self.connect().await?;
        let mut tally = Tally::default();
        for _ in 0..count {
            self.operate(&mut sender, &mut tally).await;
        }
        Ok(tally)
    }

    /// Closed loop: each of `concurrency` connections sends its next request when the last is answered.
    pub(super) async fn load(self: &Arc<Self>, concurrency: usize, length: Duration) -> Tally {
        let end = Instant::now() + length;
        let mut workers = JoinSet::new();
        for _ in 0..concurrency {
            let client = Arc::clone(self);
            workers.spawn(async move {
                let mut tally = Tally::default();
                while Instant::now() < end {
                    match client.connect().await {
                        Ok(mut sender) => {
                            while Instant::now() < end && client.operate(&mut sender, &mut tally).await {}
                        }
                        Err(_) => {
                            *tally.errors.entry("connect".to_owned()).or_default() += 1;
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                    }
                }
                tally
            });
        }
        let mut all = Tally::default();
        while let Some(Ok(tally)) = workers.join_next().await {
            all.latencies_us.extend(tally.latencies_us);
            for (kind, count) in tally.errors {
                *all.errors.entry(kind).or_default() += count;
            }
        }
        all
    }

    async fn connect(&self) -> Result<http1::SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the connection ends with its sender, which the caller owns"
        )]
        tokio::task::spawn(connection);
        Ok(sender)
    }

    /// One operation, exchange by exchange; false if the connection is gone.
    async fn operate(&self, sender: &mut http1::SendRequest<Full<Bytes>>, tally: &mut Tally) -> bool {
        let Some(exchanges) = self.work.exchanges().await else {
            *tally.errors.entry("preparation".to_owned()).or_default() += 1;
            return true;
        };
        let began = Instant::now();
        for exchange in exchanges {
            match self.exchange(sender, exchange).await {
                None => {
                    *tally.errors.entry("connection".to_owned()).or_default() += 1;
                    return false;
                }
                Some((status, _)) if status.is_success() => {}
                Some((status, body)) => {
                    let error: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                    let kind = error["refusal"].as_str().or(error["error"].as_str());
                    let kind = kind.map_or_else(|| status.to_string(), str::to_owned);
                    *tally.errors.entry(kind).or_default() += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    return true;
                }
            }
        }
        let took = began.elapsed().as_micros();
        tally.latencies_us.push(u64::try_from(took).unwrap_or(u64::MAX));
        true
    }

    async fn exchange(
        &self,
        sender: &mut http1::SendRequest<Full<Bytes>>,
        exchange: Exchange,
    ) -> Option<(StatusCode, Bytes)> {
        let mut request = Request::post(exchange.path).header("host", &self.address);
        for (name, value) in &exchange.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(exchange.body))).ok()?;
        // Until the connection's own task has ended the last exchange, it would refuse the next.
        sender.ready().await.ok()?;
        let response = sender.send_request(request).await.ok()?;
        let status = response.status();
        Some((status, response.into_body().collect().await.ok()?.to_bytes()))
    }
}
