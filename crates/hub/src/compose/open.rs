//! From settings and a data directory to open parts: what the binary does before [`super::build`], and tests replace by their own.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_cache::Cache;
use hub_store::{Engine, Store, StoreOptions};
use hub_types::Clock;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use super::{Parts, mailer, payments, providers, sign_in_providers};
use crate::config::Settings;
use crate::data_dir::{DataDir, Lock};
use crate::secrets::Secrets;

/// What the parts are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To serve: an embedded data directory is locked for this process.
    Serve,
    /// For one command, beside a hub that may be running.
    Command,
}

/// Open parts, and the lock that goes with them.
pub struct Opened {
    /// What a hub is made of.
    pub parts: Parts,
    /// Held while the process serves an embedded hub.
    pub lock: Option<Lock>,
}

/// Opens the database and the cache, loads or makes the secrets, and builds the clients.
pub async fn open(settings: &Settings, directory: &DataDir, need: Need, stop: CancellationToken) -> Result<Opened> {
    directory.create()?;
    let lock = if need == Need::Serve && settings.is_embedded() { Some(directory.lock()?) } else { None };
    let clock = Clock::system();
    let secrets = Secrets::load(settings, directory, clock.now())?;
    if settings.is_embedded() {
        directory.create_database()?;
    }
    let options = store_options(settings, directory);
    let store = Store::open(&options).await.with_context(|| match &options.engine {
        Engine::Postgres { .. } => "database.url: the database cannot be opened".to_owned(),
        Engine::Sqlite { path } => format!("the database {} cannot be opened", path.display()),
    })?;
    if store.is_shared() {
        clock.follow(store.now().await.context("database.url: the database does not answer")?);
    }
    let cache = cache(settings, &clock)?;
    if let Err(error) = cache.ping().await {
        bail!("cache.redis_url: the cache does not answer: {error}");
    }
    let parts = Parts {
        providers: providers(settings, &clock)?,
        oauth: sign_in_providers(settings, &clock)?,
        payments: payments(settings, &clock)?,
        token_algorithm: settings.security.token_algorithm,
        secrets,
        settings: settings.domain(),
        mailer: mailer(settings, directory, &clock)?,
        store,
        cache,
        clock,
        stop,
    };
    Ok(Opened { parts, lock })
}

/// Which database these settings mean.
pub fn store_options(settings: &Settings, directory: &DataDir) -> StoreOptions {
    let database = &settings.database;
    let engine = match &database.url {
        Some(url) => Engine::Postgres { url: url.expose_secret().to_owned(), schema: database.schema.clone() },
        None => Engine::Sqlite { path: directory.database() },
    };
    StoreOptions {
        engine,
        max_connections: database.max_connections,
        acquire_timeout: Duration::from_secs(database.acquire_timeout_seconds),
        statement_timeout: Duration::from_secs(database.statement_timeout_seconds),
        report_timeout: Duration::from_secs(database.report_timeout_seconds),
    }
}

/// The cache these settings mean; connected at first use.
pub(crate) fn cache(settings: &Settings, clock: &Clock) -> Result<Cache> {
    match &settings.cache.redis_url {
        None => Ok(Cache::memory(clock.clone())),
        Some(url) => {
            let prefix = format!("{}:", settings.cache.prefix.trim_end_matches(':'));
            Cache::redis(url.expose_secret(), &prefix, clock.clone()).context("cache.redis_url")
        }
    }
}
