//! The price book's rows: never changed, only superseded by a row with a later `valid_from`.

use hub_types::{PriceId, Timestamp, UserId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    INSERT = "INSERT INTO price_versions (id, provider, model, unit_prices, context_tokens, max_output_tokens, valid_from, source, created_at,
                created_by)
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (provider, model, valid_from) DO NOTHING";
    ALL = "SELECT id, provider, model, unit_prices, context_tokens, max_output_tokens, valid_from, source FROM price_versions
           ORDER BY provider, model, valid_from";
    COUNT = "SELECT COUNT(*) FROM price_versions";
}

/// One version of one model's price.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceRow {
    /// Its id; holds and receipts pin it.
    pub id: PriceId,
    /// Provider kind the price is for: `openai`, `anthropic`, `sandbox`, or `*` for any.
    pub provider: String,
    /// Model id.
    pub model: String,
    /// Micro-credits per million tokens by class; see `hub_domain::pricing`.
    pub unit_prices: Value,
    /// Largest prompt, in tokens, if known.
    pub context_tokens: Option<i64>,
    /// Largest answer, in tokens.
    pub max_output_tokens: i64,
    /// In force from here on.
    pub valid_from: Timestamp,
    /// Where the numbers come from.
    pub source: String,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    provider: String,
    model: String,
    unit_prices: Json<Value>,
    context_tokens: Option<i64>,
    max_output_tokens: i64,
    valid_from: Timestamp,
    source: String,
}

/// Adds a version; `false` when one with the same start exists.
pub async fn insert(tx: &mut Tx, price: &PriceRow, by: Option<UserId>, now: Timestamp) -> Result<bool> {
    let inserted = run!(
        tx,
        execute,
        INSERT,
        price.id.0,
        &price.provider,
        &price.model,
        Json(&price.unit_prices),
        price.context_tokens,
        price.max_output_tokens,
        price.valid_from,
        &price.source,
        now,
        by.map(|user| user.0),
    )?;
    Ok(inserted == 1)
}

/// Every version, ordered by provider, model and start.
pub async fn all(tx: &mut Tx) -> Result<Vec<PriceRow>> {
    let rows: Vec<Row> = run!(tx, rows, ALL)?;
    let price = |row: Row| PriceRow {
        id: PriceId(row.id),
        provider: row.provider,
        model: row.model,
        unit_prices: row.unit_prices.0,
        context_tokens: row.context_tokens,
        max_output_tokens: row.max_output_tokens,
        valid_from: row.valid_from,
        source: row.source,
    };
    Ok(rows.into_iter().map(price).collect())
}

/// How many versions there are.
pub async fn count(tx: &mut Tx) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, COUNT)?;
    Ok(count.unwrap_or(0))
}
