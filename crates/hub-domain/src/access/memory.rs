//! Pictures this process looked at a moment ago: a busy credential costs one look at the cache in a quarter of a second and not one for
//! each request. It never holds what is not there, and what this process itself changes it forgets at once.
//!
//! What another process changes acts here at most [`AGE`] later than by the cache alone, which keeps a picture for 1.5 seconds; together
//! that stays within the two seconds after which a revocation must act everywhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::principal::Picture;

/// How old a picture may be. Real time: it bounds how long something may go unnoticed.
pub(super) const AGE: Duration = Duration::from_millis(250);
/// Most pictures kept.
const MOST: usize = 10_000;

/// The pictures, by the key they have in the cache.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, (Instant, Arc<Picture>)>>);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Arc<Picture>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<Picture>> {
        let known = self.lock();
        let (at, picture) = known.get(key)?;
        (at.elapsed() < AGE).then(|| Arc::clone(picture))
    }

    /// Keeps a picture that was asked for at `at`.
    pub(super) fn put(&self, key: String, at: Instant, picture: &Arc<Picture>) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, (at, _)| at.elapsed() < AGE);
            if known.len() >= MOST {
                known.clear();
            }
        }
        known.insert(key, (at, Arc::clone(picture)));
    }

    pub(super) fn forget(&self, key: &str) {
        self.lock().remove(key);
    }
}
