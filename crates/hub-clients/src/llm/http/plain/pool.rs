//! Connections that wait for their next request.
//!
//! The youngest is taken first: it is the likeliest to be open still. Nobody watches them; one that has ended, or has waited for too long, is
//! found and dropped when another is taken or put back.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::connect::Origin;

/// Unused connections, oldest first.
pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
    most: usize,
    idle_for: Duration,
}

struct Idle {
    origin: Origin,
    stream: TcpStream,
    since: Instant,
}

/// A connection in use. It goes back when it is given back and nothing has happened that spoils it; dropped, it is closed.
pub(super) struct Lent {
    pool: Arc<Pool>,
    /// What it needs to go back; `None` once it has.
    held: Option<(Origin, TcpStream)>,
    reusable: bool,
}

impl Pool {
    pub(super) fn new(most: usize, idle_for: Duration) -> Self {
        Self { idle: Mutex::default(), most, idle_for }
    }

    /// A connection that was open a moment ago.
    pub(super) fn take(self: &Arc<Self>, origin: &Origin) -> Option<Lent> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.drop_old(&mut idle);
        while let Some(at) = idle.iter().rposition(|idle| idle.origin == *origin) {
            let Idle { origin, stream, .. } = idle.remove(at);
            if is_quiet(&stream) {
                return Some(self.lend(origin, stream));
            }
        }
        None
    }

    /// A new connection, which may come back later.
    pub(super) fn lend(self: &Arc<Self>, origin: Origin, stream: TcpStream) -> Lent {
        Lent { pool: Arc::clone(self), held: Some((origin, stream)), reusable: true }
    }

    fn put(&self, origin: Origin, stream: TcpStream) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.drop_old(&mut idle);
        if idle.len() < self.most {
            idle.push(Idle { origin, stream, since: Instant::now() });
        }
    }

    fn drop_old(&self, idle: &mut Vec<Idle>) {
        let old = idle.iter().take_while(|idle| idle.since.elapsed() > self.idle_for).count();
        idle.drain(..old);
    }
}

/// False when the server has closed, or has said something nobody asked for.
fn is_quiet(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

impl Lent {
    /// The connection; an error once it has gone back.
    pub(super) fn stream(&mut self) -> io::Result<&mut TcpStream> {
        self.held.as_mut().map(|(_, stream)| stream).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Whether it can carry another request; once it cannot, it never can.
    pub(super) fn reusable(&mut self, reusable: bool) {
        self.reusable &= reusable;
    }

    /// Its answer was read to the end.
    pub(super) fn give_back(&mut self) {
        if let Some((origin, stream)) = self.held.take().filter(|_| self.reusable) {
            self.pool.put(origin, stream);
        }
    }

    /// Closes it.
    pub(super) fn close(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (ours, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn the_youngest_quiet_connection_to_the_same_server_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = |port: u16| Origin::of(&format!("http://127.0.0.1:{port}").parse().unwrap()).unwrap();
        let pool = Arc::new(Pool::new(3, Duration::from_mins(1)));
        let mut theirs = Vec::new();
        let mut ports = Vec::new();
        for _ in 0..4 {
            let (ours, other) = pair(&listener).await;
            theirs.push(other);
            ports.push(ours.local_addr().unwrap().port());
            pool.lend(origin(1), ours).give_back();
        }
        assert!(pool.take(&origin(2)).is_none());
        // The fourth found no place; the third has ended, the second has spoken out of turn.
        drop(theirs.remove(2));
        theirs[1].write_all(b"?").await.unwrap();
        let idle_readable = |at: usize| pool.idle.lock().unwrap()[at].stream.try_read(&mut []).is_ok();
        while !(idle_readable(1) && idle_readable(2)) {
            tokio::task::yield_now().await;
        }
        let mut taken = pool.take(&origin(1)).unwrap();
        assert_eq!(taken.stream().unwrap().local_addr().unwrap().port(), ports[0]);
        assert!(pool.take(&origin(1)).is_none());
        taken.reusable(false);
        taken.give_back();
        assert!(pool.take(&origin(1)).is_none());
    }

    #[tokio::test]
    async fn one_that_waited_for_too_long_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Origin::of(&"http://127.0.0.1".parse().unwrap()).unwrap();
        let pool = Arc::new(Pool::new(3, Duration::ZERO));
        let (ours, mut theirs) = pair(&listener).await;
        pool.lend(origin.clone(), ours).give_back();
        assert!(pool.take(&origin).is_none());
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
    }
}
