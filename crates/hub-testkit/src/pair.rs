//! The two pairs of engines that everything must work on.

use std::net::SocketAddr;

use hub_cache::Cache;
use hub_store::Engine;
use hub_types::{Clock, random_bytes};
use tempfile::TempDir;
use url::Url;

/// Where PostgreSQL for tests is; a schema is made per test.
const POSTGRES: &str = "HUB_TEST_POSTGRES_URL";
/// Where Redis for tests is; keys get a prefix per test.
const REDIS: &str = "HUB_TEST_REDIS_URL";
/// Set to 1 to pass over tests that need servers.
const SKIP: &str = "HUB_TEST_SKIP_SERVERS";

/// A pair of engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// A SQLite file in a temporary directory, and this process's memory.
    SqliteMemory,
    /// The servers that `cargo xtask test` starts.
    PostgresRedis,
}

impl Pair {
    /// False where the pair's servers are not there and that was said to be fine.
    ///
    /// Panics where they are not there and nobody said so: a suite that quietly tests half of what it should is worthless.
    pub fn is_available(self) -> bool {
        if self == Self::SqliteMemory || (variable(POSTGRES).is_some() && variable(REDIS).is_some()) {
            return true;
        }
        assert!(
            variable(SKIP).as_deref() == Some("1"),
            "{POSTGRES} and {REDIS} must name servers for tests: run `cargo xtask test`, which starts them, or set {SKIP}=1 to pass over \
             these tests"
        );
        false
    }
}

/// Environment variables that put a child process of the binary on the servers of the tests, in a schema and under a prefix of its own.
pub fn servers() -> Vec<(&'static str, String)> {
    let name = format!("t_{}", hex::encode(random_bytes::<8>()));
    vec![
        ("DATABASE_URL", needed(POSTGRES)),
        ("REDIS_URL", needed(REDIS)),
        ("HUB__DATABASE__SCHEMA", name.clone()),
        ("HUB__CACHE__PREFIX", name),
    ]
}

/// One test's place on its engines. Siblings share it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) pair: Pair,
    /// Removed with the last hub that uses it.
    directory: TempDir,
    name: String,
    wires: Wires,
}

/// Where the servers are, when not where they truly are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wires {
    pub(crate) postgres: Option<SocketAddr>,
    pub(crate) redis: Option<SocketAddr>,
}

impl Place {
    pub(crate) fn new(pair: Pair, wires: Wires) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { pair, directory, name: format!("t_{}", hex::encode(random_bytes::<8>())), wires }
    }

    pub(crate) fn engine(&self) -> Engine {
        match self.pair {
            Pair::SqliteMemory => Engine::Sqlite { path: self.directory.path().join("hub.db") },
            Pair::PostgresRedis => {
                let url = over(postgres(), self.wires.postgres).into();
                Engine::Postgres { url, schema: Some(self.name.clone()) }
            }
        }
    }

    pub(crate) fn cache(&self, clock: &Clock) -> Cache {
        match self.pair {
            Pair::SqliteMemory => Cache::memory(clock.clone()),
            Pair::PostgresRedis => {
                let redis = over(redis(), self.wires.redis);
                Cache::redis(redis.as_str(), &format!("{}:", self.name), clock.clone()).expect("a usable Redis URL")
            }
        }
    }
}

/// The same server at the end of a wire.
fn over(mut server: Url, wire: Option<SocketAddr>) -> Url {
    if let Some(wire) = wire {
        server.set_host(Some(&wire.ip().to_string())).expect("a host");
        server.set_port(Some(wire.port())).expect("a port");
    }
    server
}

/// The PostgreSQL of the tests.
pub(crate) fn postgres() -> Url {
    needed(POSTGRES).parse().expect("an address")
}

/// The Redis of the tests.
pub(crate) fn redis() -> Url {
    needed(REDIS).parse().expect("an address")
}

fn needed(name: &str) -> String {
    variable(name).unwrap_or_else(|| panic!("{name} is not set"))
}

#[expect(clippy::disallowed_methods, reason = "where the servers for tests are can only be told from outside")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
