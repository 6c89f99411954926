//! The engines under test, and the macro that writes each test once per engine.

use hub_cache::Cache;
use hub_types::Clock;

/// One cache as two processes see it, and the clock they share.
pub(crate) struct Engine {
    /// The first process's handle.
    pub(crate) cache: Cache,
    /// The second process's: on Redis another connection, in memory (one process by definition) the same state.
    pub(crate) twin: Cache,
    /// Stands still until a test moves it.
    pub(crate) clock: Clock,
}

impl Engine {
    pub(crate) fn memory() -> Self {
        let clock = clock();
        let cache = Cache::memory(clock.clone());
        Self { twin: cache.clone(), cache, clock }
    }

    /// None when the runner started no Redis.
    pub(crate) fn redis() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "the only way for the test runner to tell a test where Redis is")]
        let url = std::env::var("HUB_TEST_REDIS_URL").ok()?;
        let clock = clock();
        let prefix = format!("test:{}:", u64::from_be_bytes(hub_types::random_bytes()));
        let connect = || Cache::redis(&url, &prefix, clock.clone()).unwrap();
        Some(Self { cache: connect(), twin: connect(), clock })
    }
}

fn clock() -> Clock {
    Clock::fixed_at("2026-11-23T10:00:00Z")
}

/// Expands each `async fn name(engine: Engine)` of the calling module to two tests: `memory::name`, `redis::name`.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name($crate::engines::Engine::memory()).await;
            })+
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                match $crate::engines::Engine::redis() {
                    Some(engine) => super::$name(engine).await,
                    None => eprintln!("skipped: HUB_TEST_REDIS_URL is not set"),
                }
            })+
        }
    };
}
pub(crate) use on_both;
