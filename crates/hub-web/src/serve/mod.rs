//! The accept loop: plain HTTP/1 and HTTP/2 on one port, with every wait bounded.
//!
//! `axum::serve` has no header, idle or write limit and no connection cap, so this is our own on hyper-util. A
//! connection beyond the cap waits in the backlog; a slow, idle or stuck one is closed; on `stop` the listener closes
//! first, then requests in flight get their time. TLS ends in front of the hub.

mod connection;
mod socket;
mod unread;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use connection::Server;
use socket::Socket;

/// Limits of one listener.
#[derive(Debug, Clone, Copy)]
pub struct ServeOptions {
    /// Time from the first byte of a request (or from the connection's start) to the end of its headers. Default 10 s.
    pub header_timeout: Duration,
    /// How long a connection may rest between two requests. Default 75 s, above what common proxies use, so that they
    /// and not we close a reused connection.
    pub idle_timeout: Duration,
    /// How long a client may leave our bytes unread. Default 25 s.
    pub write_timeout: Duration,
    /// Open connections at once, WebSockets included. Default 10 000.
    pub max_connections: usize,
    /// Bytes of one request's head. Default 64 KiB; beyond it the parser answers 431.
    pub max_header_bytes: usize,
    /// Headers of one request. Default 100; beyond it the parser answers 431.
    pub max_headers: usize,
    /// Time that requests in flight get after `stop`. Default 10 s.
    pub drain: Duration,
    /// Time a client that is still sending gets to read an early answer. Default 5 s.
    pub linger: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(25),
            max_connections: 10_000,
            max_header_bytes: 64 * 1024,
            max_headers: 100,
            drain: Duration::from_secs(10),
            linger: Duration::from_secs(5),
        }
    }
}

/// Serves `app` on `listener` until `stop`, then drains and returns. The peer's address is in each request's extensions
/// as `ConnectInfo<SocketAddr>`. Connections run in `tasks`. Upgraded connections (WebSockets) are not waited for: their
/// owners watch `stop` themselves.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    options: ServeOptions,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let kill = CancellationToken::new();
    let own = TaskTracker::new();
    let cap = Arc::new(Semaphore::new(options.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let server = Arc::new(Server::new(app, options, tasks.clone(), stop.clone(), kill.clone()));
    let accepting = async {
        loop {
            let Ok(permit) = Arc::clone(&cap).acquire_owned().await else { break };
            let (stream, peer) = accept(&listener).await;
            let connection = Arc::clone(&server).run(stream, peer, permit);
            tasks.spawn(own.track_future(connection));
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop.cancelled() => {}
    }
    drop(listener);
    own.close();
    if tokio::time::timeout(options.drain, own.wait()).await.is_err() {
        tracing::warn!(connections = own.len(), "drain time is over, dropping connections");
        kill.cancel();
        own.wait().await;
    }
}

/// The next connection. Errors of one connection are skipped; when the process is out of files we wait for some.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What keeps one place of the cap taken; travels with the socket, also through an upgrade.
type Place = OwnedSemaphorePermit;
