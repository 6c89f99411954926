//! Reading the usage log itself, newest first, at any depth.
//!
//! The text is built from fixed pieces, one per filter that is set: a filter that might be NULL would keep PostgreSQL from using the
//! index of that filter. One filter has an index. Several together have none, so a page of calls that are rare could read very many;
//! who asks for that says in which ranges they are.

use hub_types::{ApiKeyId, Credits, Timestamp, TokenUsage, UsageId, UserId};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::statement::Statement;
use crate::{Result, Tx};

/// How calls are looked for within ranges: on PostgreSQL by one look into the index per range.
const EACH: Statement = Statement {
    name: "usage_logs::EACH",
    postgres: ") SELECT u.* FROM ranges p CROSS JOIN LATERAL (SELECT * FROM usage_logs u WHERE ",
    sqlite: ") SELECT u.* FROM ranges p CROSS JOIN usage_logs u WHERE ",
};

/// What ends the look into one range; SQLite has no such part.
const END: Statement = Statement { name: "usage_logs::END", postgres: ") u", sqlite: "" };

/// Names come after the page is cut, so that they are looked up for its rows only.
const HEAD: &str = "SELECT u.id, u.created_at, u.user_id, a.email, a.name AS user_name, a.deleted_at AS user_deleted_at, u.api_key_id,
      k.name AS key_name, k.revoked_at AS key_revoked_at, u.request_id, u.kind, u.route, u.service, u.provider, u.model, u.input_tokens,
      u.cache_read_tokens, u.cache_write_tokens, u.output_tokens, u.reasoning_tokens, u.usage_source, u.credits, u.status, u.attempts,
      u.cache_write_long_tokens, u.input_audio_tokens, u.input_image_tokens, u.output_audio_tokens, u.output_image_tokens,
      u.latency_ms, u.first_token_ms
    FROM (";
const TAIL: &str = ") u LEFT JOIN users a ON a.id = u.user_id LEFT JOIN api_keys k ON k.id = u.api_key_id
    ORDER BY u.created_at DESC, u.id DESC";

/// Which calls are wanted; the default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this caller.
    pub user: Option<UserId>,
    /// With this key.
    pub key: Option<ApiKeyId>,
    /// Of this model.
    pub model: Option<String>,
    /// Answered by this provider.
    pub provider: Option<String>,
    /// `completed`, `cancelled`, `failed` or `expired`.
    pub status: Option<String>,
    /// Begun not before.
    pub from: Option<Timestamp>,
}

/// One call, with the names of its caller and key as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its id: that of its receipt where there is one.
    pub id: UsageId,
    /// When it began.
    pub at: Timestamp,
    /// Who called.
    pub user: UserId,
    /// Their address, also after their account was deleted.
    pub email: Option<String>,
    /// Their name.
    pub user_name: Option<String>,
    /// True when their account was deleted.
    pub user_deleted: bool,
    /// With which key.
    pub key: Option<ApiKeyId>,
    /// What the key is called, also after it was taken back.
    pub key_name: Option<String>,
    /// True when the key was taken back.
    pub key_revoked: bool,
    /// The request.
    pub request_id: String,
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
    pub tokens: TokenUsage,
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
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    created_at: Timestamp,
    user_id: Uuid,
    email: Option<String>,
    user_name: Option<String>,
    user_deleted_at: Option<Timestamp>,
    api_key_id: Option<Uuid>,
    key_name: Option<String>,
    key_revoked_at: Option<Timestamp>,
    request_id: String,
    kind: String,
    route: String,
    service: String,
    provider: String,
    model: String,
    input_tokens: i64,
    cache_read_tokens: i64,
    cache_write_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: i64,
    cache_write_long_tokens: i64,
    input_audio_tokens: i64,
    input_image_tokens: i64,
    output_audio_tokens: i64,
    output_image_tokens: i64,
    usage_source: String,
    credits: i64,
    status: String,
    attempts: i32,
    latency_ms: i64,
    first_token_ms: Option<i64>,
}

impl From<Row> for Call {
    fn from(row: Row) -> Self {
        Self {
            id: UsageId(row.id),
            at: row.created_at,
            user: UserId(row.user_id),
            email: row.email,
            user_name: row.user_name,
            user_deleted: row.user_deleted_at.is_some(),
            key: row.api_key_id.map(ApiKeyId),
            key_name: row.key_name,
            key_revoked: row.key_revoked_at.is_some(),
            request_id: row.request_id,
            kind: row.kind,
            route: row.route,
            service: row.service,
            provider: row.provider,
            model: row.model,
            tokens: TokenUsage {
                // The columns of the basic classes hold the others too.
                input: row.input_tokens - row.input_audio_tokens - row.input_image_tokens,
                cache_read: row.cache_read_tokens,
                cache_write: row.cache_write_tokens - row.cache_write_long_tokens,
                output: row.output_tokens - row.output_audio_tokens - row.output_image_tokens,
                reasoning: row.reasoning_tokens,
                cache_write_long: row.cache_write_long_tokens,
                input_audio: row.input_audio_tokens,
                input_image: row.input_image_tokens,
                output_audio: row.output_audio_tokens,
                output_image: row.output_image_tokens,
            },
            usage_source: row.usage_source,
            credits: Credits::from_micro(row.credits),
            status: row.status,
            attempts: row.attempts,
            latency_ms: row.latency_ms,
            first_token_ms: row.first_token_ms,
        }
    }
}

/// Calls that fit the filter, newest first, those before the position `(at, id)`. With `ranges`, only those that began in one of them (the
/// end is exclusive); ranges do not overlap.
pub async fn list(
    tx: &mut Tx,
    filter: &Filter,
    before: (Timestamp, UsageId),
    ranges: Option<&[(Timestamp, Timestamp)]>,
    limit: i64,
) -> Result<Vec<Call>> {
    if ranges.is_some_and(<[_]>::is_empty) {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = on!(tx, |c, s| {
        let mut query = QueryBuilder::new(HEAD);
        if let Some(ranges) = ranges {
            query.push("WITH ranges (first, last) AS (VALUES ");
            for (number, (from, to)) in ranges.iter().enumerate() {
                query.push(if number == 0 { "(" } else { ", (" }).push_bind(*from).push(", ").push_bind(*to).push(")");
            }
            query.push(s(EACH)).push("u.created_at >= p.first AND u.created_at < p.last AND ");
        } else {
            query.push("SELECT * FROM usage_logs u WHERE ");
        }
        query.push("u.created_at <= ").push_bind(before.0).push(" AND (u.created_at < ").push_bind(before.0);
        query.push(" OR u.id < ").push_bind(before.1.0).push(")");
        if let Some(from) = filter.from {
            query.push(" AND u.created_at >= ").push_bind(from);
        }
        if let Some(user) = filter.user {
            query.push(" AND u.user_id = ").push_bind(user.0);
        }
        if let Some(key) = filter.key {
            query.push(" AND u.api_key_id = ").push_bind(key.0);
        }
        if let Some(model) = &filter.model {
            query.push(" AND u.model = ").push_bind(model);
        }
        if let Some(provider) = &filter.provider {
            query.push(" AND u.provider = ").push_bind(provider);
        }
        if let Some(status) = &filter.status {
            query.push(" AND u.status = ").push_bind(status);
            if status != "completed" {
                // Says what the index of the few others says of itself.
                query.push(" AND u.status <> 'completed'");
            }
        }
        if ranges.is_some() && !s(END).is_empty() {
            query.push(" ORDER BY u.created_at DESC, u.id DESC LIMIT ").push(limit).push(s(END));
        }
        query.push(" ORDER BY u.created_at DESC, u.id DESC LIMIT ").push_bind(limit).push(TAIL);
        // A plan made for any position and any filter would be a bad one for most.
        query.build_query_as().persistent(false).fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(Call::from).collect())
}
