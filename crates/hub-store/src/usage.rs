//! The usage log: one row per call, charged or not. Its columns of tokens are the five basic classes, which sums over calls add up;
//! tokens of sound, of pictures and of long writes are in them and stand once more in columns of their own.

use hub_types::{ApiKeyId, Credits, HoldId, Timestamp, TokenUsage, UsageId, UserId};
use serde_json::{Value, json};
use sqlx::types::Json;

use crate::fold::time;
use crate::{Result, Tx};

statements! {
    PUT = "INSERT INTO usage_logs (id, created_at, user_id, api_key_id, request_id, hold_id, kind, route, service, provider, model,
                input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_source, credits, status, attempts,
                latency_ms, first_token_ms, metadata, cache_write_long_tokens, input_audio_tokens, input_image_tokens, output_audio_tokens,
                output_image_tokens)
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27,
                $28)
              ON CONFLICT (created_at, id) DO UPDATE SET input_tokens = excluded.input_tokens, cache_read_tokens = excluded.cache_read_tokens,
                cache_write_tokens = excluded.cache_write_tokens, output_tokens = excluded.output_tokens,
                reasoning_tokens = excluded.reasoning_tokens, usage_source = excluded.usage_source, credits = excluded.credits,
                status = excluded.status, latency_ms = excluded.latency_ms, metadata = excluded.metadata, cache_write_long_tokens = excluded.cache_write_long_tokens,
                input_audio_tokens = excluded.input_audio_tokens, input_image_tokens = excluded.input_image_tokens,
                output_audio_tokens = excluded.output_audio_tokens, output_image_tokens = excluded.output_image_tokens";
    PUT_ALL = postgres: "INSERT INTO usage_logs (id, created_at, user_id, api_key_id, request_id, hold_id, kind, route, service, provider, model,
                        input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_source,
                        credits, status, attempts, latency_ms, first_token_ms, metadata,
                        cache_write_long_tokens, input_audio_tokens, input_image_tokens, output_audio_tokens, output_image_tokens)
                      SELECT id, created_at, user_id, api_key_id, request_id, hold_id, kind, route, service, provider, model,
                        input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_source,
                        credits, status, attempts, latency_ms, first_token_ms, metadata,
                        cache_write_long_tokens, input_audio_tokens, input_image_tokens, output_audio_tokens, output_image_tokens
                      FROM jsonb_to_recordset($1) AS r(id uuid, created_at timestamptz, user_id uuid, api_key_id uuid, request_id text, hold_id uuid,
                        kind text, route text, service text, provider text, model text, input_tokens bigint,
                        cache_read_tokens bigint, cache_write_tokens bigint, output_tokens bigint, reasoning_tokens bigint,
                        usage_source text, credits bigint, status text, attempts integer, latency_ms bigint,
                        first_token_ms bigint, metadata jsonb, cache_write_long_tokens bigint, input_audio_tokens bigint,
                        input_image_tokens bigint, output_audio_tokens bigint, output_image_tokens bigint)",
              lite: "INSERT INTO usage_logs (id, created_at, user_id, api_key_id, request_id, hold_id, kind, route, service, provider, model,
                        input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_source,
                        credits, status, attempts, latency_ms, first_token_ms, metadata,
                        cache_write_long_tokens, input_audio_tokens, input_image_tokens, output_audio_tokens, output_image_tokens)
                     SELECT unhex(value->>'id', '-'), value->>'created_at', unhex(value->>'user_id', '-'),
                        unhex(value->>'api_key_id', '-'), value->>'request_id', unhex(value->>'hold_id', '-'),
                        value->>'kind', value->>'route', value->>'service', value->>'provider', value->>'model',
                        value->>'input_tokens', value->>'cache_read_tokens', value->>'cache_write_tokens',
                        value->>'output_tokens', value->>'reasoning_tokens', value->>'usage_source', value->>'credits',
                        value->>'status', value->>'attempts', value->>'latency_ms', value->>'first_token_ms',
                        value->'metadata', value->>'cache_write_long_tokens', value->>'input_audio_tokens',
                        value->>'input_image_tokens', value->>'output_audio_tokens', value->>'output_image_tokens'
                     FROM json_each($1)";
    TOTALS = "SELECT COUNT(*), CAST(COALESCE(SUM(credits), 0) AS BIGINT) FROM usage_logs WHERE user_id = $1";
}

/// One call.
#[derive(Debug, Clone)]
pub struct UsageRow {
    /// Its id: that of the hold where there is one.
    pub id: UsageId,
    /// When the call began.
    pub at: Timestamp,
    /// Who called.
    pub user: UserId,
    /// With which key.
    pub api_key: Option<ApiKeyId>,
    /// The request.
    pub request_id: String,
    /// The hold that paid for it.
    pub hold: Option<HoldId>,
    /// `chat`, `completion`, `embedding`, …
    pub kind: String,
    /// The route called.
    pub route: String,
    /// Service word.
    pub service: String,
    /// Provider that answered.
    pub provider: String,
    /// Model as asked for.
    pub model: String,
    /// Tokens by class.
    pub usage: TokenUsage,
    /// Who counted.
    pub usage_source: String,
    /// What was charged.
    pub credits: Credits,
    /// `completed`, `cancelled`, `failed`, `expired`.
    pub status: String,
    /// Calls made to providers.
    pub attempts: i32,
    /// From request to end, in milliseconds.
    pub latency_ms: i64,
    /// From request to the first byte of the answer, in milliseconds.
    pub first_token_ms: Option<i64>,
    /// Anything else.
    pub metadata: Value,
}

/// Writes the row of a call. Its id and time are those of the hold, so a late settle replaces what the sweeper wrote.
pub async fn put(tx: &mut Tx, row: &UsageRow) -> Result<()> {
    let tokens = row.usage.coarse();
    run!(
        tx,
        execute,
        PUT,
        row.id.0,
        row.at,
        row.user.0,
        row.api_key.map(|key| key.0),
        &row.request_id,
        row.hold.map(|hold| hold.0),
        &row.kind,
        &row.route,
        &row.service,
        &row.provider,
        &row.model,
        tokens.input,
        tokens.cache_read,
        tokens.cache_write,
        tokens.output,
        tokens.reasoning,
        &row.usage_source,
        row.credits.micro(),
        &row.status,
        row.attempts,
        row.latency_ms,
        row.first_token_ms,
        Json(&row.metadata),
        row.usage.cache_write_long,
        row.usage.input_audio,
        row.usage.input_image,
        row.usage.output_audio,
        row.usage.output_image,
    )?;
    Ok(())
}

/// Writes the rows of calls that had none.
pub async fn put_all(tx: &mut Tx, rows: &[UsageRow]) -> Result<()> {
    let rows: Vec<Value> = rows.iter().map(as_json).collect();
    run!(tx, execute, PUT_ALL, Json(&rows))?;
    Ok(())
}

fn as_json(row: &UsageRow) -> Value {
    let tokens = row.usage.coarse();
    json!({
        "id": row.id, "created_at": time(row.at), "user_id": row.user, "api_key_id": row.api_key,
        "request_id": row.request_id, "hold_id": row.hold, "kind": row.kind, "route": row.route, "service": row.service,
        "provider": row.provider, "model": row.model, "input_tokens": tokens.input,
        "cache_read_tokens": tokens.cache_read, "cache_write_tokens": tokens.cache_write,
        "output_tokens": tokens.output, "reasoning_tokens": tokens.reasoning, "usage_source": row.usage_source,
        "credits": row.credits.micro(), "status": row.status, "attempts": row.attempts, "latency_ms": row.latency_ms,
        "first_token_ms": row.first_token_ms, "metadata": row.metadata, "cache_write_long_tokens": row.usage.cache_write_long,
        "input_audio_tokens": row.usage.input_audio, "input_image_tokens": row.usage.input_image,
        "output_audio_tokens": row.usage.output_audio, "output_image_tokens": row.usage.output_image,
    })
}

/// Number of calls and sum of credits of one user.
pub async fn totals(tx: &mut Tx, user: UserId) -> Result<(i64, Credits)> {
    let row: Option<(i64, i64)> = run!(tx, row, TOTALS, user.0)?;
    let (calls, credits) = row.unwrap_or((0, 0));
    Ok((calls, Credits::from_micro(credits)))
}
