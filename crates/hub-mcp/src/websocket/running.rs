//! The requests that run on one socket, by the client's own ids.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hub_types::ErrorCode;
use hub_web::ApiError;
use tokio_util::sync::CancellationToken;

/// Requests that may run at once on one socket.
const MAX_RUNNING: usize = 16;

/// How a running request is stopped.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    /// Cancelled when its call is to end. Its last frame goes out all the same, while somebody reads.
    pub(super) call: CancellationToken,
    /// Cancelled when nobody reads its frames here any more.
    pub(super) reading: CancellationToken,
}

/// A shared, bounded set of running requests.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<String, Stop>>>);

/// The place of one request; given back when dropped.
pub(super) struct Place {
    running: Running,
    id: String,
    stop: Stop,
    held: AtomicBool,
}

impl Place {
    /// How its request is stopped.
    pub(super) const fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Gives the place back before the last frame goes out: who has read it may use the id again.
    pub(super) fn leave(&self) {
        if self.held.swap(false, Ordering::Relaxed) {
            self.running.lock().remove(&self.id);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Running {
    /// Takes a place.
    pub(super) fn enter(&self, id: &str) -> Result<Place, ApiError> {
        let mut running = self.lock();
        if running.len() >= MAX_RUNNING {
            return Err(ApiError::new(ErrorCode::RateLimitExceeded).message("Too many requests at once on this socket"));
        }
        if running.contains_key(id) {
            return Err(ApiError::new(ErrorCode::Conflict).message("A request with this id is running"));
        }
        let stop = Stop { call: CancellationToken::new(), reading: CancellationToken::new() };
        running.insert(id.to_owned(), stop.clone());
        Ok(Place { running: self.clone(), id: id.to_owned(), stop, held: AtomicBool::new(true) })
    }

    /// Stops one request, if it runs.
    pub(super) fn cancel(&self, id: &str) {
        if let Some(stop) = self.lock().get(id) {
            stop.call.cancel();
        }
    }

    /// Stops all, and reads no more of them.
    pub(super) fn cancel_all(&self) {
        for stop in self.lock().values() {
            stop.call.cancel();
            stop.reading.cancel();
        }
    }

    /// Reads no more frames; recorded calls wait for somebody who does.
    pub(super) fn desert_all(&self) {
        self.lock().values().for_each(|stop| stop.reading.cancel());
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Stop>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_ids_unique_while_they_run() {
        let running = Running::default();
        let first = running.enter("0").unwrap();
        assert_eq!(running.enter("0").unwrap_err().code, ErrorCode::Conflict);
        let others: Vec<_> = (1..MAX_RUNNING).map(|n| running.enter(&n.to_string()).unwrap()).collect();
        assert_eq!(running.enter("more").unwrap_err().code, ErrorCode::RateLimitExceeded);
        running.cancel("0");
        assert!(first.stop().call.is_cancelled() && !first.stop().reading.is_cancelled());
        first.leave();
        let again = running.enter("0").unwrap();
        drop(first);
        assert!(running.enter("0").is_err(), "a place is given back once");
        drop(others);
        running.desert_all();
        assert!(again.stop().reading.is_cancelled() && !again.stop().call.is_cancelled());
        running.cancel_all();
        assert!(again.stop().call.is_cancelled());
        drop(again);
        assert!(!running.is_busy());
    }
}
