//! The database and the cache: embedded unless a URL is given.

use secrecy::SecretString;
use serde::Deserialize;

/// `[database]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://user:password@host:port/database`. Without it the data is in `DATA_DIR/hub.db`.
    pub url: Option<SecretString>,
    /// PostgreSQL: schema to use, made when missing; the server's default without it.
    pub schema: Option<String>,
    /// Connections of this process; 2 to 500.
    pub max_connections: u32,
    /// Seconds to wait for a free connection; 1 to 60.
    pub acquire_timeout_seconds: u64,
    /// Seconds one statement may take; 1 to 600.
    pub statement_timeout_seconds: u64,
    /// Seconds one statement of a check, an export or an analysis may take; 1 to 86 400.
    pub report_timeout_seconds: u64,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            schema: None,
            max_connections: 16,
            acquire_timeout_seconds: 5,
            statement_timeout_seconds: 10,
            report_timeout_seconds: 600,
        }
    }
}

/// `[cache]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// `redis://[user:password@]host[:port][/db]`. Without it the cache is this process's memory.
    pub redis_url: Option<SecretString>,
    /// Stands before all keys, so that several hubs can share a server; 1 to 64 characters.
    pub prefix: String,
}

impl Default for Cache {
    fn default() -> Self {
        Self { redis_url: None, prefix: "hub".to_owned() }
    }
}
