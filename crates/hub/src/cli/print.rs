//! Commands that show or prepare: `config print`, `openapi`, `migrate`.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use hub_cache::Cache;
use hub_clients::mail::MemoryOutbox;
use hub_domain::sessions::TokenAlgorithm;
use hub_store::{Engine, Store, StoreOptions};
use hub_types::{Clock, random_bytes};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Context, Outcome};
use crate::compose::{self, Parts, Secrets};

/// `hub config print`.
pub(super) fn settings(context: &Context) -> Result<Outcome> {
    let loaded = context.load(None)?;
    let shown = loaded.shown();
    let file = loaded.file.iter().map(|file| format!("# read from {}\n", file.display()));
    let words: String = file.chain([shown.to_string()]).collect();
    context.report(&serde_json::to_value(&shown)?, &words)?;
    Ok(Outcome::Good)
}

/// `hub migrate`.
pub(super) async fn migrate(context: &Context) -> Result<Outcome> {
    let loaded = context.load(None)?;
    context.directory.create()?;
    let options = compose::store_options(&loaded.settings, &context.directory);
    let store = Store::open(&options).await.context("the database cannot be opened")?;
    let before = store.migration_state().await?;
    store.migrate(Clock::system().now()).await?;
    let state = store.migration_state().await?;
    let words = format!("{}: {} of {} migrations were applied now", store.kind(), before.pending, state.applied);
    store.close().await;
    context.report(
        &json!({ "database": options_kind(&options), "applied": state.applied, "new": before.pending }),
        &words,
    )?;
    Ok(Outcome::Good)
}

const fn options_kind(options: &StoreOptions) -> &'static str {
    match options.engine {
        Engine::Postgres { .. } => "postgres",
        Engine::Sqlite { .. } => "sqlite",
    }
}

/// `hub openapi`: JSON with or without `--json`. Needs no settings and no data: the routes are asked of a hub in an empty directory.
pub(super) async fn openapi() -> Result<Outcome> {
    let scratch = Scratch::new()?;
    let engine = Engine::Sqlite { path: scratch.0.join("empty.db") };
    let options = StoreOptions::new(engine, 1);
    let clock = Clock::system();
    let hub = compose::assemble(Parts {
        store: Store::open(&options).await?,
        cache: Cache::memory(clock.clone()),
        clock,
        settings: hub_domain::Settings::default(),
        secrets: Secrets::one(&hex::encode(random_bytes::<32>())),
        token_algorithm: TokenAlgorithm::default(),
        mailer: Arc::new(MemoryOutbox::new()),
        providers: Vec::new(),
        oauth: Vec::new(),
        payments: hub_domain::payments::Registry::default(),
        stop: CancellationToken::new(),
    })?;
    let document = compose::document(&hub).to_pretty_json()?;
    hub.store.close().await;
    super::write(&document)?;
    Ok(Outcome::Good)
}

/// A directory of our own that goes away again.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("hub-{}", hex::encode(random_bytes::<8>())));
        fs::create_dir(&path).context("no temporary directory")?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: it lies in the system's temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}
