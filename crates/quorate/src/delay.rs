//! A proxy that delays bytes in both directions, so that `bench --link-delay` measures custodians that are far away.

use anyhow::Result;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Listens on a free loopback port and forwards to `to`, each direction `one_way` later. Returns the port.
pub async fn start(to: u16, one_way: Duration, tasks: &mut JoinSet<()>) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    tasks.spawn(async move {
        let mut links = JoinSet::new();
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else {
                continue;
            };
            let (_, _) = (near.set_nodelay(true), far.set_nodelay(true));
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            links.spawn(forward(near_read, far_write, one_way));
            links.spawn(forward(far_read, near_write, one_way));
            while links.try_join_next().is_some() {}
        }
    });
    Ok(port)
}

async fn forward(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf, one_way: Duration) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    let write = async {
        while let Some((due, bytes)) = receiver.recv().await {
            wait_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let read = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read) = from.read(&mut buffer).await {
            if read == 0
                || sender
                    .send((Instant::now() + one_way, buffer[..read].to_vec()))
                    .await
                    .is_err()
            {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

/// Waits as exactly as the kernel does: the runtime's timer rounds every wait up to whole milliseconds, four times in a batch.
async fn wait_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    let _ = tokio::task::spawn_blocking(move || std::thread::sleep(left)).await;
}
