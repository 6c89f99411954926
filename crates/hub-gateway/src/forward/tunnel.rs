//! An upgraded connection (WebSocket) carried as bytes between the client and the service.
//!
//! The bytes are not looked into. How long a socket may be silent is the service's rule, which pings and closes; the
//! tunnel ends with the first side that ends, after a moment for what is still on its way.

use std::io;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split};
use tokio_util::sync::CancellationToken;

/// Time for both sides to finish the upgrade, and for the second direction to end after the first.
const PATIENCE: Duration = Duration::from_secs(10);

/// Both halves, not yet upgraded.
pub(super) struct Tunnel {
    pub(super) client: OnUpgrade,
    pub(super) service: OnUpgrade,
    pub(super) stop: CancellationToken,
}

impl Tunnel {
    /// Carries bytes until one side ends or the hub stops.
    pub(super) async fn run(self) {
        let Self { client, service, stop } = self;
        let both = async { tokio::try_join!(client, service) };
        let (client, service) = match tokio::time::timeout(PATIENCE, both).await {
            Ok(Ok(both)) => both,
            Ok(Err(error)) => return tracing::debug!(%error, "upgrade failed"),
            Err(_) => return tracing::debug!("upgrade took too long"),
        };
        let (from_client, to_client) = split(TokioIo::new(client));
        let (from_service, to_service) = split(TokioIo::new(service));
        let mut up = Box::pin(carry(from_client, to_service));
        let mut down = Box::pin(carry(from_service, to_client));
        // A stopping hub lets the service say goodbye through the tunnel first.
        let stopped = async {
            stop.cancelled().await;
            tokio::time::sleep(PATIENCE).await;
        };
        tokio::select! {
            _ = &mut up => drop(tokio::time::timeout(PATIENCE, down).await),
            _ = &mut down => drop(tokio::time::timeout(PATIENCE, up).await),
            () = stopped => {}
        }
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let outcome = copy(&mut from, &mut to).await;
    to.shutdown().await?;
    outcome.map(drop)
}
