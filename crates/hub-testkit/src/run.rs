//! One test on both pairs.

use std::future::Future;
use std::time::Duration;

use crate::{Pair, errors};

/// The most one test may take.
const LIMIT: Duration = Duration::from_mins(2);

/// Runs a test on a runtime of its own, with several threads. What it logs as an error is counted by that runtime.
pub fn run<F: Future<Output = ()>>(pair: Pair, test: impl FnOnce(Pair) -> F) {
    if !pair.is_available() {
        return;
    }
    errors::listen();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let ended = runtime.block_on(Box::pin(async { tokio::time::timeout(LIMIT, test(pair)).await }));
    assert!(ended.is_ok(), "the test did not end within {} s", LIMIT.as_secs());
}

/// Makes of each `async fn name(pair: Pair)` two tests, `sqlite_memory::name` and `postgres_redis::name`. Once per module.
///
/// ```ignore
/// on_both_pairs! {
///     async fn a_stranger_is_refused(pair: Pair) {
///         let hub = TestHub::start(pair).await;
///         hub.get("/api/credits/balance").send().await.expect(401);
///         hub.finish().await;
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_both_pairs {
    ($($(#[$meta:meta])* async fn $name:ident($pair:ident $(: $type:ty)?) $body:block)+) => {
        $($(#[$meta])* async fn $name($pair: $crate::Pair) $body)+

        mod sqlite_memory {
            $(#[test] fn $name() { $crate::run($crate::Pair::SqliteMemory, super::$name); })+
        }

        mod postgres_redis {
            $(#[test] fn $name() { $crate::run($crate::Pair::PostgresRedis, super::$name); })+
        }
    };
}
