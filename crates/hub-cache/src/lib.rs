//! Short-lived shared state: values with an expiry, one-time secrets, claims, rate windows, shares of limits, leases,
//! logs and messages.
//!
//! One closed set of two engines stands behind [`Cache`]: the process's own memory, for the embedded hub, and
//! Redis 7+, for every hub of more than one process. Both keep the same promises and pass the same tests.
//!
//! This room must never hold the only copy of anything: what is here may be gone at any moment (eviction, a restart,
//! a lost Redis). What must not be lost or must never happen twice is guarded in the database. It must also never
//! read the wall clock: expiry and windows follow the [`hub_types::Clock`] that is passed in, so that processes on
//! skewed machines agree and tests can move time by hand. The engines' own expiry only collects garbage.

mod cache;
mod channels;
mod error;
mod log;
mod memory;
mod redis_cache;
mod share;
mod stamp;
mod window;

pub use cache::Cache;
pub use error::CacheError;
pub use log::Room;
pub use memory::MemoryCache;
pub use redis_cache::RedisCache;
pub use share::Share;
pub use window::Window;
