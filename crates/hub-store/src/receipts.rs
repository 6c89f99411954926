//! Receipts: what a charge consisted of, enough to compute it again from the price book.

use hub_types::{ApiKeyId, Credits, HoldId, PriceId, Timestamp, TokenUsage, TransactionId, UserId};
use serde_json::{Value, json};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::fold::time;
use crate::{Result, Tx};

statements! {
    PUT = "INSERT INTO receipts (id, user_id, transaction_id, api_key_id, request_id, route, service, provider, model, upstream_model,
                upstream_id, price_id, unit_prices, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
                usage_source, exact_pico, amount, uncollected, held, outcome, attempts, created_at, cache_write_long_tokens,
                input_audio_tokens, input_image_tokens, output_audio_tokens, output_image_tokens)
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
                $27, $28, $29, $30, $31)
              ON CONFLICT (id) DO UPDATE SET transaction_id = COALESCE(excluded.transaction_id, receipts.transaction_id), upstream_id = excluded.upstream_id,
                input_tokens = excluded.input_tokens, cache_read_tokens = excluded.cache_read_tokens,
                cache_write_tokens = excluded.cache_write_tokens, output_tokens = excluded.output_tokens,
                reasoning_tokens = excluded.reasoning_tokens, usage_source = excluded.usage_source, exact_pico = excluded.exact_pico,
                amount = excluded.amount, uncollected = excluded.uncollected, outcome = excluded.outcome, attempts = excluded.attempts,
                cache_write_long_tokens = excluded.cache_write_long_tokens, input_audio_tokens = excluded.input_audio_tokens,
                input_image_tokens = excluded.input_image_tokens, output_audio_tokens = excluded.output_audio_tokens,
                output_image_tokens = excluded.output_image_tokens";
    PUT_ALL = postgres: "INSERT INTO receipts (id, user_id, transaction_id, api_key_id, request_id, route, service, provider, model,
                        upstream_model, upstream_id, price_id, unit_prices, input_tokens, cache_read_tokens,
                        cache_write_tokens, output_tokens, reasoning_tokens, usage_source, exact_pico, amount, uncollected,
                        held, outcome, attempts, created_at, cache_write_long_tokens, input_audio_tokens,
                        input_image_tokens, output_audio_tokens, output_image_tokens)
                      SELECT id, user_id, transaction_id, api_key_id, request_id, route, service, provider, model,
                        upstream_model, upstream_id, price_id, unit_prices, input_tokens, cache_read_tokens,
                        cache_write_tokens, output_tokens, reasoning_tokens, usage_source, exact_pico, amount, uncollected,
                        held, outcome, attempts, created_at, cache_write_long_tokens, input_audio_tokens,
                        input_image_tokens, output_audio_tokens, output_image_tokens
                      FROM jsonb_to_recordset($1) AS r(id uuid, user_id uuid, transaction_id uuid, api_key_id uuid, request_id text, route text,
                        service text, provider text, model text, upstream_model text, upstream_id text, price_id uuid,
                        unit_prices jsonb, input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint,
                        output_tokens bigint, reasoning_tokens bigint, usage_source text, exact_pico bigint, amount bigint,
                        uncollected bigint, held bigint, outcome text, attempts jsonb, created_at timestamptz,
                        cache_write_long_tokens bigint, input_audio_tokens bigint, input_image_tokens bigint,
                        output_audio_tokens bigint, output_image_tokens bigint)",
              lite: "INSERT INTO receipts (id, user_id, transaction_id, api_key_id, request_id, route, service, provider, model,
                        upstream_model, upstream_id, price_id, unit_prices, input_tokens, cache_read_tokens,
                        cache_write_tokens, output_tokens, reasoning_tokens, usage_source, exact_pico, amount, uncollected,
                        held, outcome, attempts, created_at, cache_write_long_tokens, input_audio_tokens,
                        input_image_tokens, output_audio_tokens, output_image_tokens)
                     SELECT unhex(value->>'id', '-'), unhex(value->>'user_id', '-'), unhex(value->>'transaction_id', '-'),
                        unhex(value->>'api_key_id', '-'), value->>'request_id', value->>'route', value->>'service',
                        value->>'provider', value->>'model', value->>'upstream_model', value->>'upstream_id',
                        unhex(value->>'price_id', '-'), value->'unit_prices', value->>'input_tokens',
                        value->>'cache_read_tokens', value->>'cache_write_tokens', value->>'output_tokens',
                        value->>'reasoning_tokens', value->>'usage_source', value->>'exact_pico', value->>'amount',
                        value->>'uncollected', value->>'held', value->>'outcome', value->'attempts', value->>'created_at',
                        value->>'cache_write_long_tokens', value->>'input_audio_tokens', value->>'input_image_tokens',
                        value->>'output_audio_tokens', value->>'output_image_tokens'
                     FROM json_each($1)";
    GET = "SELECT id, user_id, transaction_id, api_key_id, request_id, route, service, provider, model, upstream_model, upstream_id, price_id,
             unit_prices, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_source, exact_pico, amount,
             uncollected, held, outcome, attempts, created_at, cache_write_long_tokens, input_audio_tokens, input_image_tokens,
             output_audio_tokens, output_image_tokens
           FROM receipts WHERE id = $1";
    AFTER = "SELECT id, user_id, transaction_id, api_key_id, request_id, route, service, provider, model, upstream_model, upstream_id, price_id,
             unit_prices, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_source, exact_pico, amount,
             uncollected, held, outcome, attempts, created_at, cache_write_long_tokens, input_audio_tokens, input_image_tokens,
             output_audio_tokens, output_image_tokens
           FROM receipts WHERE id > $1 ORDER BY id LIMIT $2";
}

/// A receipt as stored. Its id is that of the hold.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Same as the hold's.
    pub id: HoldId,
    /// Who paid.
    pub user: UserId,
    /// The ledger row; `None` when nothing was charged.
    pub transaction: Option<TransactionId>,
    /// The key used.
    pub api_key: Option<ApiKeyId>,
    /// The request.
    pub request_id: String,
    /// The route called, such as `/v1/chat/completions`.
    pub route: String,
    /// Service word.
    pub service: String,
    /// Provider that answered.
    pub provider: String,
    /// Model as asked for.
    pub model: String,
    /// Model as sent to the provider.
    pub upstream_model: String,
    /// The provider's own id of the call.
    pub upstream_id: Option<String>,
    /// The price version.
    pub price: PriceId,
    /// The unit prices of that version, as they were.
    pub unit_prices: Value,
    /// Tokens by class.
    pub usage: TokenUsage,
    /// Who counted.
    pub usage_source: String,
    /// Cost before rounding, in millionths of a micro-credit.
    pub exact_pico: i64,
    /// What was charged: the exact cost rounded up once, never more than was held.
    pub amount: Credits,
    /// What the call cost beyond the hold, borne by the house.
    pub uncollected: Credits,
    /// What had been set aside.
    pub held: Credits,
    /// `completed`, `cancelled`, `failed`, `expired`.
    pub outcome: String,
    /// Every attempt: provider, outcome, milliseconds.
    pub attempts: Value,
    /// When it was written.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    user_id: Uuid,
    transaction_id: Option<Uuid>,
    api_key_id: Option<Uuid>,
    request_id: String,
    route: String,
    service: String,
    provider: String,
    model: String,
    upstream_model: String,
    upstream_id: Option<String>,
    price_id: Uuid,
    unit_prices: Json<Value>,
    input_tokens: i64,
    cache_read_tokens: i64,
    cache_write_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: i64,
    usage_source: String,
    exact_pico: i64,
    amount: i64,
    uncollected: i64,
    held: i64,
    outcome: String,
    attempts: Json<Value>,
    created_at: Timestamp,
    cache_write_long_tokens: i64,
    input_audio_tokens: i64,
    input_image_tokens: i64,
    output_audio_tokens: i64,
    output_image_tokens: i64,
}

impl From<Row> for Receipt {
    fn from(row: Row) -> Self {
        Self {
            id: HoldId(row.id),
            user: UserId(row.user_id),
            transaction: row.transaction_id.map(TransactionId),
            api_key: row.api_key_id.map(ApiKeyId),
            request_id: row.request_id,
            route: row.route,
            service: row.service,
            provider: row.provider,
            model: row.model,
            upstream_model: row.upstream_model,
            upstream_id: row.upstream_id,
            price: PriceId(row.price_id),
            unit_prices: row.unit_prices.0,
            usage: TokenUsage {
                input: row.input_tokens,
                cache_read: row.cache_read_tokens,
                cache_write: row.cache_write_tokens,
                output: row.output_tokens,
                reasoning: row.reasoning_tokens,
                cache_write_long: row.cache_write_long_tokens,
                input_audio: row.input_audio_tokens,
                input_image: row.input_image_tokens,
                output_audio: row.output_audio_tokens,
                output_image: row.output_image_tokens,
            },
            usage_source: row.usage_source,
            exact_pico: row.exact_pico,
            amount: Credits::from_micro(row.amount),
            uncollected: Credits::from_micro(row.uncollected),
            held: Credits::from_micro(row.held),
            outcome: row.outcome,
            attempts: row.attempts.0,
            created_at: row.created_at,
        }
    }
}

/// Writes the receipt of a hold. A late settle replaces the one the sweeper wrote, and keeps its ledger row where it has none of its own.
pub async fn put(tx: &mut Tx, receipt: &Receipt) -> Result<()> {
    run!(
        tx,
        execute,
        PUT,
        receipt.id.0,
        receipt.user.0,
        receipt.transaction.map(|id| id.0),
        receipt.api_key.map(|id| id.0),
        &receipt.request_id,
        &receipt.route,
        &receipt.service,
        &receipt.provider,
        &receipt.model,
        &receipt.upstream_model,
        receipt.upstream_id.as_deref(),
        receipt.price.0,
        Json(&receipt.unit_prices),
        receipt.usage.input,
        receipt.usage.cache_read,
        receipt.usage.cache_write,
        receipt.usage.output,
        receipt.usage.reasoning,
        &receipt.usage_source,
        receipt.exact_pico,
        receipt.amount.micro(),
        receipt.uncollected.micro(),
        receipt.held.micro(),
        &receipt.outcome,
        Json(&receipt.attempts),
        receipt.created_at,
        receipt.usage.cache_write_long,
        receipt.usage.input_audio,
        receipt.usage.input_image,
        receipt.usage.output_audio,
        receipt.usage.output_image,
    )?;
    Ok(())
}

/// Writes the receipts of holds that had none.
pub async fn put_all(tx: &mut Tx, receipts: &[Receipt]) -> Result<()> {
    let rows: Vec<Value> = receipts.iter().map(as_json).collect();
    run!(tx, execute, PUT_ALL, Json(&rows))?;
    Ok(())
}

fn as_json(receipt: &Receipt) -> Value {
    json!({
        "id": receipt.id, "user_id": receipt.user, "transaction_id": receipt.transaction, "api_key_id": receipt.api_key,
        "request_id": receipt.request_id, "route": receipt.route, "service": receipt.service, "provider": receipt.provider,
        "model": receipt.model, "upstream_model": receipt.upstream_model, "upstream_id": receipt.upstream_id,
        "price_id": receipt.price, "unit_prices": receipt.unit_prices, "input_tokens": receipt.usage.input,
        "cache_read_tokens": receipt.usage.cache_read, "cache_write_tokens": receipt.usage.cache_write,
        "output_tokens": receipt.usage.output, "reasoning_tokens": receipt.usage.reasoning,
        "usage_source": receipt.usage_source, "exact_pico": receipt.exact_pico, "amount": receipt.amount.micro(),
        "uncollected": receipt.uncollected.micro(), "held": receipt.held.micro(), "outcome": receipt.outcome,
        "attempts": receipt.attempts, "created_at": time(receipt.created_at),
        "cache_write_long_tokens": receipt.usage.cache_write_long, "input_audio_tokens": receipt.usage.input_audio,
        "input_image_tokens": receipt.usage.input_image, "output_audio_tokens": receipt.usage.output_audio,
        "output_image_tokens": receipt.usage.output_image,
    })
}

/// The receipt of a hold; the caller checks whose it is before showing it.
pub async fn get(tx: &mut Tx, id: HoldId) -> Result<Option<Receipt>> {
    let row: Option<Row> = run!(tx, row, GET, id.0)?;
    Ok(row.map(Receipt::from))
}

/// Receipts in order of id, for checks over all of them.
pub async fn after(tx: &mut Tx, id: HoldId, limit: i64) -> Result<Vec<Receipt>> {
    let rows: Vec<Row> = run!(tx, rows, AFTER, id.0, limit)?;
    Ok(rows.into_iter().map(Receipt::from).collect())
}
