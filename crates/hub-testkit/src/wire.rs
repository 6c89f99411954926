//! A wire to the Redis of the tests that can be cut and mended, for tests of a hub that loses its cache.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use url::Url;

/// A forwarder in front of Redis. It ends with the test's runtime.
#[derive(Debug)]
pub struct Wire {
    pub(crate) address: SocketAddr,
    whole: watch::Sender<bool>,
}

impl Wire {
    /// Lays a wire to the server at `redis`.
    pub(crate) async fn to(redis: &Url) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let there = (redis.host_str().expect("a host").to_owned(), redis.port().unwrap_or(6379));
        let (whole, watched) = watch::channel(true);
        let (tasks, each) = (TaskTracker::new(), TaskTracker::new());
        tasks.spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (there, mut watched) = (there.clone(), watched.clone());
                each.spawn(async move {
                    if !*watched.borrow_and_update() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(there).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = watched.wait_for(|whole| !whole) => {}
                    }
                });
            }
        });
        Self { address, whole }
    }

    /// Ends all connections and lets no new one through.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}
