//! Sums of usage, read from wherever they are: quarters and days that are added up, or the calls themselves.
//!
//! Each function reads one range from one source. Which source is right for which range, the rule knows.

use hub_types::{ApiKeyId, Credits, Timestamp, TokenUsage, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    // All of these: $1 to $2 (exclusive) is the range, $3 the offset from UTC and $4 the length of a period in seconds, $5 the group, and
    // the rest filters, where '' or NULL stands for any.
    HUB = "SELECT (quarter * 900 + $3) / $4 AS period,
             CASE CAST($5 AS TEXT) WHEN 'model' THEN model WHEN 'provider' THEN provider WHEN 'service' THEN service ELSE '' END AS label,
             CAST(SUM(calls) AS BIGINT) AS calls, CAST(SUM(failed) AS BIGINT) AS failed,
             CAST(SUM(input_tokens) AS BIGINT) AS input_tokens,
             CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
             CAST(SUM(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
             CAST(SUM(output_tokens) AS BIGINT) AS output_tokens,
             CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens, CAST(SUM(credits) AS BIGINT) AS credits
           FROM usage_quarters WHERE quarter >= $1 AND quarter < $2
             AND ($6 = '' OR service = $6) AND ($7 = '' OR provider = $7) AND ($8 = '' OR model = $8)
           GROUP BY 1, 2";
    ONE = "SELECT (quarter * 900 + $3) / $4 AS period,
             CASE CAST($5 AS TEXT) WHEN 'model' THEN model WHEN 'provider' THEN provider WHEN 'service' THEN service ELSE '' END AS label,
             CASE WHEN CAST($5 AS TEXT) = 'key' THEN api_key_id END AS key_id,
             CAST(SUM(calls) AS BIGINT) AS calls, CAST(SUM(failed) AS BIGINT) AS failed,
             CAST(SUM(input_tokens) AS BIGINT) AS input_tokens,
             CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
             CAST(SUM(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
             CAST(SUM(output_tokens) AS BIGINT) AS output_tokens,
             CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens, CAST(SUM(credits) AS BIGINT) AS credits
           FROM usage_user_quarters WHERE user_id = $9 AND quarter >= $1 AND quarter < $2
             AND ($6 = '' OR service = $6) AND ($7 = '' OR provider = $7) AND ($8 = '' OR model = $8)
             AND (api_key_id = $10 OR $10 IS NULL)
           GROUP BY 1, 2, 3";
    EVERYBODY = "SELECT (quarter * 900 + $3) / $4 AS period,
                   CASE CAST($5 AS TEXT) WHEN 'model' THEN model WHEN 'provider' THEN provider WHEN 'service' THEN service ELSE '' END AS label,
                   CASE WHEN CAST($5 AS TEXT) = 'user' THEN user_id END AS user_id,
                   CASE WHEN CAST($5 AS TEXT) = 'key' THEN api_key_id END AS key_id,
                   CAST(SUM(calls) AS BIGINT) AS calls, CAST(SUM(failed) AS BIGINT) AS failed,
                   CAST(SUM(input_tokens) AS BIGINT) AS input_tokens,
                   CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
                   CAST(SUM(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
                   CAST(SUM(output_tokens) AS BIGINT) AS output_tokens,
                   CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens, CAST(SUM(credits) AS BIGINT) AS credits
                 FROM usage_user_quarters WHERE quarter >= $1 AND quarter < $2
                   AND ($6 = '' OR service = $6) AND ($7 = '' OR provider = $7) AND ($8 = '' OR model = $8)
                 GROUP BY 1, 2, 3, 4";
    DAYS = "SELECT (day * 86400 + $3) / $4 AS period,
              CASE CAST($5 AS TEXT) WHEN 'model' THEN model WHEN 'provider' THEN provider WHEN 'service' THEN service ELSE '' END AS label,
              CASE WHEN CAST($5 AS TEXT) = 'user' THEN user_id END AS user_id,
              CASE WHEN CAST($5 AS TEXT) = 'key' THEN api_key_id END AS key_id,
              CAST(SUM(calls) AS BIGINT) AS calls, CAST(SUM(failed) AS BIGINT) AS failed,
              CAST(SUM(input_tokens) AS BIGINT) AS input_tokens,
              CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
              CAST(SUM(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
              CAST(SUM(output_tokens) AS BIGINT) AS output_tokens,
              CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens, CAST(SUM(credits) AS BIGINT) AS credits
            FROM usage_user_days WHERE day >= $1 AND day < $2
              AND ($6 = '' OR service = $6) AND ($7 = '' OR provider = $7) AND ($8 = '' OR model = $8)
              AND (user_id = $9 OR $9 IS NULL) AND (api_key_id = $10 OR $10 IS NULL)
            GROUP BY 1, 2, 3, 4";
    LIVE = postgres: "SELECT (CAST(floor(extract(epoch FROM created_at)) AS BIGINT) + $3) / $4 AS period,
                     CASE CAST($5 AS TEXT) WHEN 'model' THEN model WHEN 'provider' THEN provider WHEN 'service' THEN service ELSE '' END AS label,
                     CASE WHEN CAST($5 AS TEXT) = 'user' THEN user_id END AS user_id,
                     CASE WHEN CAST($5 AS TEXT) = 'key' THEN api_key_id END AS key_id,
                     COUNT(*) AS calls, COUNT(*) FILTER (WHERE status = 'failed') AS failed,
                     CAST(SUM(input_tokens) AS BIGINT) AS input_tokens,
                     CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
                     CAST(SUM(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
                     CAST(SUM(output_tokens) AS BIGINT) AS output_tokens,
                     CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens, CAST(SUM(credits) AS BIGINT) AS credits
                   FROM usage_logs WHERE created_at >= $1 AND created_at < $2
                     AND ($6 = '' OR service = $6) AND ($7 = '' OR provider = $7) AND ($8 = '' OR model = $8)
                     AND (user_id = $9 OR $9 IS NULL) AND (api_key_id = $10 OR $10 IS NULL)
                   GROUP BY 1, 2, 3, 4",
           lite: "SELECT (unixepoch(substr(created_at, 1, 19)) + $3) / $4 AS period,
                     CASE CAST($5 AS TEXT) WHEN 'model' THEN model WHEN 'provider' THEN provider WHEN 'service' THEN service ELSE '' END AS label,
                     CASE WHEN CAST($5 AS TEXT) = 'user' THEN user_id END AS user_id,
                     CASE WHEN CAST($5 AS TEXT) = 'key' THEN api_key_id END AS key_id,
                     COUNT(*) AS calls, COUNT(*) FILTER (WHERE status = 'failed') AS failed,
                     CAST(SUM(input_tokens) AS BIGINT) AS input_tokens,
                     CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
                     CAST(SUM(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
                     CAST(SUM(output_tokens) AS BIGINT) AS output_tokens,
                     CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens, CAST(SUM(credits) AS BIGINT) AS credits
                   FROM usage_logs WHERE created_at >= $1 AND created_at < $2
                     AND ($6 = '' OR service = $6) AND ($7 = '' OR provider = $7) AND ($8 = '' OR model = $8)
                     AND (user_id = $9 OR $9 IS NULL) AND (api_key_id = $10 OR $10 IS NULL)
                   GROUP BY 1, 2, 3, 4";
}

/// What calls are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// Nothing.
    Nothing,
    /// Model as asked for.
    Model,
    /// Provider that answered.
    Provider,
    /// Service word.
    Service,
    /// API key.
    Key,
    /// Caller.
    User,
}

impl GroupBy {
    const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Service => "service",
            Self::Key => "key",
            Self::User => "user",
        }
    }
}

/// What is added up.
#[derive(Debug, Clone)]
pub struct Question {
    /// Calls are told apart by this.
    pub group: GroupBy,
    /// Seconds that local time is ahead of UTC, in the whole range.
    pub offset: i64,
    /// Length of a period of local time, in seconds; `i64::MAX` for one period.
    pub period: i64,
    /// Only this caller.
    pub user: Option<UserId>,
    /// Only this key.
    pub key: Option<ApiKeyId>,
    /// Only this service; empty is any.
    pub service: String,
    /// Only this provider; empty is any.
    pub provider: String,
    /// Only this model; empty is any.
    pub model: String,
}

/// Sums over calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Calls.
    pub calls: i64,
    /// Those that failed.
    pub failed: i64,
    /// Tokens by class.
    pub tokens: TokenUsage,
    /// What was charged.
    pub credits: Credits,
}

impl Sums {
    /// Adds other calls to these.
    pub fn add(&mut self, other: &Self) {
        let plus = |one: &mut i64, other: i64| *one = one.saturating_add(other);
        plus(&mut self.calls, other.calls);
        plus(&mut self.failed, other.failed);
        plus(&mut self.tokens.input, other.tokens.input);
        plus(&mut self.tokens.cache_read, other.tokens.cache_read);
        plus(&mut self.tokens.cache_write, other.tokens.cache_write);
        plus(&mut self.tokens.output, other.tokens.output);
        plus(&mut self.tokens.reasoning, other.tokens.reasoning);
        self.credits = Credits::from_micro(self.credits.micro().saturating_add(other.credits.micro()));
    }
}

/// Sums of one group in one period.
#[derive(Debug, Clone)]
pub struct Part {
    /// Periods of local time since 1970.
    pub period: i64,
    /// Model, provider or service; empty where calls are told apart otherwise.
    pub label: String,
    /// The caller, where calls are told apart by it.
    pub user: Option<UserId>,
    /// The key, where calls are told apart by it; `None` for calls without one.
    pub key: Option<ApiKeyId>,
    /// The sums.
    pub sums: Sums,
}

#[derive(FromRow)]
struct Row {
    period: i64,
    label: String,
    #[sqlx(default)]
    user_id: Option<Uuid>,
    #[sqlx(default)]
    key_id: Option<Uuid>,
    calls: i64,
    failed: i64,
    input_tokens: i64,
    cache_read_tokens: i64,
    cache_write_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: i64,
    credits: i64,
}

impl From<Row> for Part {
    fn from(row: Row) -> Self {
        let tokens = TokenUsage {
            input: row.input_tokens,
            cache_read: row.cache_read_tokens,
            cache_write: row.cache_write_tokens,
            output: row.output_tokens,
            reasoning: row.reasoning_tokens,
            ..TokenUsage::default()
        };
        Self {
            period: row.period,
            label: row.label,
            user: row.user_id.map(UserId),
            // Sums cannot be keyed by NULL: the nil id stands for no key there.
            key: row.key_id.filter(|id| !id.is_nil()).map(ApiKeyId),
            sums: Sums { calls: row.calls, failed: row.failed, tokens, credits: Credits::from_micro(row.credits) },
        }
    }
}

/// From the quarters that are added up, `from` to `to` (exclusive).
pub async fn of_quarters(tx: &mut Tx, question: &Question, from: i64, to: i64) -> Result<Vec<Part>> {
    let Question { group, offset, period, user, key, service, provider, model } = question;
    let group_word = group.word();
    let rows: Vec<Row> = if let Some(user) = user {
        let key = key.map(|id| id.0);
        run!(tx, rows, ONE, from, to, *offset, *period, group_word, service, provider, model, user.0, key)?
    } else if matches!(group, GroupBy::User | GroupBy::Key) {
        run!(tx, rows, EVERYBODY, from, to, *offset, *period, group_word, service, provider, model)?
    } else {
        run!(tx, rows, HUB, from, to, *offset, *period, group_word, service, provider, model)?
    };
    Ok(rows.into_iter().map(Part::from).collect())
}

/// From the days of UTC that are added up, `from` to `to` (exclusive).
pub async fn of_days(tx: &mut Tx, question: &Question, from: i64, to: i64) -> Result<Vec<Part>> {
    let Question { group, offset, period, user, key, service, provider, model } = question;
    let (user, key) = (user.map(|id| id.0), key.map(|id| id.0));
    let rows: Vec<Row> =
        run!(tx, rows, DAYS, from, to, *offset, *period, group.word(), service, provider, model, user, key)?;
    Ok(rows.into_iter().map(Part::from).collect())
}

/// From the calls themselves that began from `from` to `to` (exclusive).
pub async fn of_calls(tx: &mut Tx, question: &Question, from: Timestamp, to: Timestamp) -> Result<Vec<Part>> {
    let Question { group, offset, period, user, key, service, provider, model } = question;
    let (user, key) = (user.map(|id| id.0), key.map(|id| id.0));
    let rows: Vec<Row> =
        run!(tx, rows, LIVE, from, to, *offset, *period, group.word(), service, provider, model, user, key)?;
    Ok(rows.into_iter().map(Part::from).collect())
}
