//! What one connection is doing, and until when it may.
//!
//! Three phases: reading a request's head, serving (no limit here; bodies and handlers have their own), resting. The
//! socket, the requests and the connection's task all touch it, mostly from one thread, hence plain atomics.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// The state of one connection.
pub(super) struct Watch {
    born: Instant,
    header_timeout: Duration,
    idle_timeout: Duration,
    /// Milliseconds after `born` at which the phase began.
    since: AtomicU64,
    /// Reading a head (true) or resting (false); means nothing while requests are served.
    reading: AtomicBool,
    serving: AtomicU32,
    http2: AtomicBool,
    /// True while a request's body has bytes that nobody took.
    body_unread: AtomicBool,
}

impl Watch {
    pub(super) fn new(header_timeout: Duration, idle_timeout: Duration) -> Self {
        Self {
            born: Instant::now(),
            header_timeout,
            idle_timeout,
            since: AtomicU64::new(0),
            reading: AtomicBool::new(true),
            serving: AtomicU32::new(0),
            http2: AtomicBool::new(false),
            body_unread: AtomicBool::new(false),
        }
    }

    /// Bytes came in. On a resting HTTP/1 connection they begin a new head; HTTP/2 has frames that mean no request.
    pub(super) fn bytes_read(&self) {
        if self.serving.load(Relaxed) == 0 && !self.http2.load(Relaxed) && !self.reading.swap(true, Relaxed) {
            self.mark();
        }
    }

    /// A head is complete.
    pub(super) fn request_began(&self, http2: bool, has_body: bool) {
        self.serving.fetch_add(1, Relaxed);
        self.http2.store(http2, Relaxed);
        self.body_unread.store(has_body && !http2, Relaxed);
    }

    /// The request's body was read to its end.
    pub(super) fn body_read(&self) {
        self.body_unread.store(false, Relaxed);
    }

    /// The answer was sent or given up.
    pub(super) fn request_ended(&self) {
        if self.serving.fetch_sub(1, Relaxed) == 1 {
            self.reading.store(false, Relaxed);
            self.mark();
        }
    }

    /// True when closing now would leave bytes unread, which makes the kernel reset the connection and may take our
    /// answer away from the client.
    pub(super) fn must_linger(&self) -> bool {
        self.body_unread.load(Relaxed)
    }

    /// True when the connection rests between requests, false while a head is awaited or read.
    pub(super) fn is_resting(&self) -> bool {
        !self.reading.load(Relaxed)
    }

    /// When the present phase must be over; `None` while serving.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.serving.load(Relaxed) > 0 {
            return None;
        }
        let limit = if self.is_resting() { self.idle_timeout } else { self.header_timeout };
        Some(self.born + Duration::from_millis(self.since.load(Relaxed)) + limit)
    }

    fn mark(&self) {
        self.since.store(u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX), Relaxed);
    }
}
