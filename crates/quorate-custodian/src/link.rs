//! The link: this custodian dials, and is the HTTP/2 server on the connection; the gateway asks. No open port.

use crate::node::{Answer, Fatal, Node};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use quorate_protocol::{custodian::Peer, message::MAX_MESSAGE};
use rustls::pki_types::ServerName;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_rustls::TlsConnector;

/// Messages that wait for the one thread that decides; the gateway sends few at once.
const QUEUE: usize = 64;
/// Streams that a gateway may have open at once.
const STREAMS: u32 = 32;
/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// First and longest pause before dialling again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(800));

enum Task {
    Answer {
        peer: Peer,
        path: String,
        body: Bytes,
        reply: oneshot::Sender<Answer>,
    },
    Disconnected,
}

/// Hands messages to the node's own thread.
#[derive(Clone)]
pub struct Desk(mpsc::Sender<Task>);

impl Desk {
    /// Moves the node to a thread of its own. The receiver yields once, when the node has stopped: with its fatal error, or without
    /// one after every [`Desk`] is gone and the last answer is out.
    pub fn start(mut node: Node) -> (Self, oneshot::Receiver<Option<Fatal>>) {
        let (tasks, mut inbox) = mpsc::channel(QUEUE);
        let (ended, end) = oneshot::channel();
        std::thread::spawn(move || {
            let mut fatal = None;
            while let Some(task) = inbox.blocking_recv() {
                match task {
                    Task::Disconnected => node.disconnected(),
                    Task::Answer {
                        peer,
                        path,
                        body,
                        reply,
                    } => match node.answer(peer, &path, &body) {
                        Ok(answer) => drop(reply.send(answer)),
                        Err(error) => {
                            fatal = Some(error);
                            break;
                        }
                    },
                }
            }
            drop(ended.send(fatal));
        });
        (Self(tasks), end)
    }

    async fn ask(&self, peer: Peer, path: String, body: Bytes) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        self.0
            .send(Task::Answer {
                peer,
                path,
                body,
                reply,
            })
            .await
            .ok()?;
        answer.await.ok()
    }
}

/// One gateway to dial.
pub struct Gateway {
    /// Name, for log lines.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// Its pinned link key.
    pub key: [u8; 32],
    /// TLS with this custodian's identity.
    pub tls: Arc<rustls::ClientConfig>,
}

/// Dials one gateway for ever, until `stop` turns true.
pub async fn keep_linked(
    gateway: Gateway,
    desk: Desk,
    counters: Arc<crate::counters::Counters>,
    mut stop: watch::Receiver<bool>,
) {
    let mut pause = BACKOFF.0;
    while !*stop.borrow() {
        match connect(&gateway).await {
            Err(error) => {
                tracing::debug!(gateway = gateway.name, %error, "no link");
                pause = (pause * 2).min(BACKOFF.1);
            }
            Ok(stream) => {
                tracing::info!(gateway = gateway.name, "linked");
                counters.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                serve(stream, Peer(gateway.key), &desk, &mut stop).await;
                tracing::info!(gateway = gateway.name, "link closed");
                drop(desk.0.send(Task::Disconnected).await);
                pause = BACKOFF.0;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
}

async fn connect(gateway: &Gateway) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let handshake = async {
        let tcp = TcpStream::connect(&gateway.address).await?;
        tcp.set_nodelay(true)?;
        // Raw public keys have no name; the field must hold one all the same.
        let name = ServerName::try_from("gateway.invalid").map_err(std::io::Error::other)?;
        TlsConnector::from(Arc::clone(&gateway.tls)).connect(name, tcp).await
    };
    tokio::time::timeout(HANDSHAKE, handshake)
        .await
        .map_err(std::io::Error::other)?
}

async fn serve(
    stream: tokio_rustls::client::TlsStream<TcpStream>,
    peer: Peer,
    desk: &Desk,
    stop: &mut watch::Receiver<bool>,
) {
    let service = service_fn(move |request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(handle(peer, &desk, request).await) }
    });
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(MAX_MESSAGE as u32)
        .initial_connection_window_size(2 * MAX_MESSAGE as u32)
        .max_frame_size(256 * 1024)
        .keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10));
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(stop) => {
            // No new messages; the one in flight is answered.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "link ended");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow_and_update() {
        if stop.changed().await.is_err() {
            return;
        }
    }
}

async fn handle(peer: Peer, desk: &Desk, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let Ok(body) = Limited::new(request.into_body(), MAX_MESSAGE).collect().await else {
        return respond(StatusCode::PAYLOAD_TOO_LARGE, Vec::new());
    };
    match desk.ask(peer, path, body.to_bytes()).await {
        Some(Answer::Accepted(bytes)) => respond(StatusCode::OK, bytes),
        Some(Answer::Refused(bytes)) => respond(StatusCode::UNPROCESSABLE_ENTITY, bytes),
        Some(Answer::Unknown) => respond(StatusCode::NOT_FOUND, Vec::new()),
        None => respond(StatusCode::SERVICE_UNAVAILABLE, Vec::new()),
    }
}

fn respond(status: StatusCode, bytes: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    response
}
