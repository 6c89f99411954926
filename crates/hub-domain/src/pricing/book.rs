//! The price book: every version in memory, looked up by service, model and time; refreshed from the database by the worker.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use hub_store::prices::{self, PriceRow};
use hub_store::{Store, StoreError};
use hub_types::{Clock, Credits, PriceId, Timestamp};
use serde::Deserialize;

use super::entry::PriceEntry;
use super::seed::table;
use super::units::UnitPrices;

/// `[pricing]` in `hub.toml`: prices of models the seed does not know, and what is added to prices.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// One entry per model: `[[pricing.models]]`.
    pub models: Vec<ModelPrice>,
    /// Percent added to the prices of who has a role, 0 to 1000: `[pricing.margins]`. The lowest of the caller's roles counts; roles that
    /// do not stand here do not count.
    pub margins: BTreeMap<String, u16>,
}

/// The price of one model as an operator writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPrice {
    /// Service word of the provider that serves it: `openai`, `claude`, or the name given to an own server.
    pub service: String,
    /// Model id.
    pub model: String,
    /// Credits per million prompt tokens.
    pub input: Credits,
    /// Credits per million completion tokens.
    pub output: Credits,
    /// Credits per call, whatever its length.
    #[serde(default)]
    pub request: Credits,
    /// Credits per million prompt tokens read from a cache; the input price when not given.
    pub cache_read: Option<Credits>,
    /// Credits per million prompt tokens written to a cache; the input price when not given.
    pub cache_write: Option<Credits>,
    /// Credits per million prompt tokens written to a cache for long; the price of other writes when not given.
    pub cache_write_long: Option<Credits>,
    /// Credits per million prompt tokens of sound; the input price when not given.
    pub input_audio: Option<Credits>,
    /// Credits per million prompt tokens of pictures; the input price when not given.
    pub input_image: Option<Credits>,
    /// Credits per million completion tokens of sound; the output price when not given.
    pub output_audio: Option<Credits>,
    /// Credits per million completion tokens of pictures; the output price when not given.
    pub output_image: Option<Credits>,
    /// Credits per second of video by resolution, such as `720p`; `*` stands for every other one.
    #[serde(default)]
    pub video_second: BTreeMap<String, Credits>,
    /// Multipliers, in thousandths, of a whole call on other terms than the usual ones, such as `service_tier:priority`.
    #[serde(default)]
    pub terms: BTreeMap<String, i64>,
    /// Largest answer in tokens.
    #[serde(default = "default_max_output")]
    pub max_output_tokens: i64,
    /// Largest prompt in tokens, if known.
    pub context_tokens: Option<i64>,
    /// Takes the price over although it looks like a slip of the pen: nothing at all, or more than anybody asks.
    #[serde(default)]
    pub allow_unusual: bool,
}

/// The largest answer of a model whose price does not say, in tokens.
pub(super) const fn default_max_output() -> i64 {
    4096
}

/// One version of one model's price, as rules use it.
#[derive(Debug, Clone)]
pub struct Price {
    /// The version; holds and receipts pin it.
    pub id: PriceId,
    /// Service word.
    pub service: String,
    /// Model id.
    pub model: String,
    /// The unit prices.
    pub units: UnitPrices,
    /// Largest prompt in tokens, if known.
    pub context_tokens: Option<i64>,
    /// Largest answer in tokens.
    pub max_output_tokens: i64,
    /// In force from here on.
    pub valid_from: Timestamp,
    /// Where the numbers come from.
    pub source: String,
}

pub(super) type Versions = BTreeMap<(String, String), Vec<Arc<Price>>>;

/// The book in memory. Cheap to clone; all clones see a refresh.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    versions: Arc<RwLock<Arc<Versions>>>,
}

impl PriceBook {
    /// The price of this service's model at `at`; `None` is "unknown", which callers must refuse.
    pub fn current(&self, service: &str, model: &str, at: Timestamp) -> Option<Arc<Price>> {
        let versions = self.snapshot();
        let of_model = versions.get(&(service.to_owned(), model.to_owned()))?;
        of_model.iter().rev().find(|price| price.valid_from <= at).cloned()
    }

    /// The version with this id, whenever it was in force.
    pub fn by_id(&self, id: PriceId) -> Option<Arc<Price>> {
        self.snapshot().values().flatten().find(|price| price.id == id).cloned()
    }

    /// The prices in force at `at`, ordered by service and model.
    pub fn all_current(&self, at: Timestamp) -> Vec<Arc<Price>> {
        let newest = |versions: &Vec<Arc<Price>>| versions.iter().rev().find(|price| price.valid_from <= at).cloned();
        self.snapshot().values().filter_map(newest).collect()
    }

    /// The versions that begin after `at`, ordered by service, model and start.
    pub fn to_come(&self, at: Timestamp) -> Vec<Arc<Price>> {
        self.snapshot().values().flatten().filter(|price| price.valid_from > at).cloned().collect()
    }

    /// Every version, ordered by service, model and start.
    pub fn all(&self) -> Vec<Arc<Price>> {
        self.snapshot().values().flatten().cloned().collect()
    }

    /// A book of these versions and no others.
    #[cfg(test)]
    pub(crate) fn of(prices: impl IntoIterator<Item = Arc<Price>>) -> Self {
        let mut versions = Versions::new();
        for price in prices {
            versions.entry((price.service.clone(), price.model.clone())).or_default().push(price);
        }
        let book = Self::default();
        book.replace(versions);
        book
    }

    fn snapshot(&self) -> Arc<Versions> {
        Arc::clone(&self.versions.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn replace(&self, versions: Versions) {
        *self.versions.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(versions);
    }
}

/// Reads the book anew from the database.
pub async fn load(store: &Store, book: &PriceBook) -> Result<(), StoreError> {
    let mut tx = store.read().await?;
    let rows = prices::all(&mut tx).await?;
    let mut versions = Versions::new();
    for row in rows {
        let units = serde_json::from_value(row.unit_prices).map_err(|_| StoreError::Corrupt("unit prices"))?;
        let price = Price {
            id: row.id,
            service: row.provider.clone(),
            model: row.model.clone(),
            units,
            context_tokens: row.context_tokens,
            max_output_tokens: row.max_output_tokens,
            valid_from: row.valid_from,
            source: row.source,
        };
        versions.entry((row.provider, row.model)).or_default().push(Arc::new(price));
    }
    book.replace(versions);
    Ok(())
}

/// Writes the seeded prices of models that have none, and a new version for each model whose price in the settings is another one than
/// the last that came from there: what was imported since stays in force. Then loads the book. Several processes may do this at once.
pub async fn seed(store: &Store, book: &PriceBook, settings: &Settings, clock: &Clock) -> Result<(), StoreError> {
    load(store, book).await?;
    let now = clock.now();
    let unknown = table().into_iter().filter(|row| book.current(row.provider, row.model, now).is_none());
    let mut rows: Vec<PriceRow> = Vec::new();
    for row in unknown {
        rows.push(PriceRow {
            id: PriceId::new(clock),
            provider: row.provider.to_owned(),
            model: row.model.to_owned(),
            unit_prices: to_json(&row.prices)?,
            context_tokens: Some(row.context),
            max_output_tokens: row.max_output,
            // The same start everywhere, so that two processes that seed at once write one row.
            valid_from: table_start(),
            source: row.source.to_owned(),
        });
    }
    for model in settings.models.iter().filter(|model| model.is_news(book)) {
        let entry = PriceEntry::from(model);
        rows.push(PriceRow {
            id: PriceId::new(clock),
            unit_prices: to_json(&entry.units())?,
            provider: entry.service,
            model: entry.model,
            context_tokens: entry.context_tokens,
            max_output_tokens: entry.max_output_tokens,
            valid_from: now,
            source: entry.source,
        });
    }
    if rows.is_empty() {
        return Ok(());
    }
    let mut tx = store.write().await?;
    for row in &rows {
        prices::insert(&mut tx, row, None, now).await?;
    }
    tx.commit().await?;
    load(store, book).await
}

/// The start of 2026: before any call this hub can have made.
pub(super) fn table_start() -> Timestamp {
    Timestamp::from_timestamp(1_767_225_600, 0).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Unit prices as the database keeps them.
pub(super) fn to_json(units: &UnitPrices) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(units).map_err(|_| StoreError::Corrupt("unit prices"))
}
