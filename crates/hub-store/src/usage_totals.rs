//! Sums of usage, read from wherever they are: sums of quarters, hours and days, or the calls themselves.
//!
//! What is right for which moment, the rule knows. It names spans of time and the place in a chart that each belongs to; so no database has
//! to know anything of calendars. A text is built from fixed pieces, one per filter that is set, so that an index can serve it.

use hub_types::{ApiKeyId, Credits, Timestamp, TokenUsage, UserId};
use sqlx::{Database, Encode, FromRow, QueryBuilder, Type};
use uuid::Uuid;

use crate::statement::Statement;
use crate::{Result, Tx};

statements! {
    // A question with many spans looks dear, and compiling its plan takes longer than answering it.
    PLAINLY = postgres: "SET LOCAL jit = off", lite: "SELECT 1";
}

/// Before the table with the sums, and after its filters. PostgreSQL must look into the table once per span, and never join it as a whole;
/// SQLite does what `CROSS JOIN` says.
const EACH: Statement = Statement {
    name: "usage_totals::EACH",
    postgres: "spans p CROSS JOIN LATERAL (SELECT * FROM ",
    sqlite: "spans p CROSS JOIN ",
};
const END: Statement = Statement { name: "usage_totals::END", postgres: " OFFSET 0) u", sqlite: "" };

const IN_SPAN: &str = " u WHERE u.length = p.length AND u.start >= p.first AND u.start < p.last";
const SUMS_OF_SUMS: &str = sums_of_sums!();
const SUMS_OF_CALLS: &str = sums_of_calls!();

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
    /// What is selected besides sums.
    const fn selected(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Model => "model AS label, ",
            Self::Provider => "provider AS label, ",
            Self::Service => "service AS label, ",
            Self::Key => "api_key_id, user_id, ",
            Self::User => "user_id, ",
        }
    }

    /// How rows are told apart within a place.
    const fn columns(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Model => ", model",
            Self::Provider => ", provider",
            Self::Service => ", service",
            Self::Key => ", api_key_id, user_id",
            Self::User => ", user_id",
        }
    }
}

/// What is added up: calls that fit all filters that are not empty.
#[derive(Debug, Clone)]
pub struct Question {
    /// Calls are told apart by this.
    pub group: GroupBy,
    /// Only these callers.
    pub users: Vec<UserId>,
    /// Only these keys.
    pub keys: Vec<ApiKeyId>,
    /// Only these services.
    pub services: Vec<String>,
    /// Only these providers.
    pub providers: Vec<String>,
    /// Only these models.
    pub models: Vec<String>,
}

impl Question {
    /// True when only the sums per caller can answer.
    fn of_callers(&self) -> bool {
        !self.users.is_empty() || !self.keys.is_empty() || matches!(self.group, GroupBy::User | GroupBy::Key)
    }
}

/// A range that is read from sums of one length, for one bar of the chart or several of the same width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Which bar of the chart the first sum belongs to.
    pub place: usize,
    /// Length of each sum, in seconds: one of `usage_rollup::LENGTHS`.
    pub length: i64,
    /// Where the first sum starts, in seconds since 1970.
    pub from: i64,
    /// Before this, the last one ends.
    pub to: i64,
    /// So many seconds further, the next bar begins.
    pub step: i64,
}

/// A range that is read call by call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moments {
    /// Which bar of the chart it belongs to.
    pub place: usize,
    /// Begun not before.
    pub from: Timestamp,
    /// Begun before.
    pub to: Timestamp,
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

/// Sums of one group in one bar of a chart.
#[derive(Debug, Clone)]
pub struct Part {
    /// Which bar.
    pub place: usize,
    /// Model, provider or service; empty where calls are told apart otherwise.
    pub label: String,
    /// The caller, where calls are told apart by it or by key.
    pub user: Option<UserId>,
    /// The key, where calls are told apart by it; `None` for calls without one.
    pub key: Option<ApiKeyId>,
    /// The sums.
    pub sums: Sums,
}

/// A sum that holds calls which fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Slot {
    /// Its length in seconds.
    pub length: i64,
    /// Where it starts, in seconds since 1970.
    pub start: i64,
    /// How many calls fit.
    pub count: i64,
}

#[derive(FromRow)]
struct Row {
    place: i64,
    #[sqlx(default)]
    label: String,
    #[sqlx(default)]
    user_id: Option<Uuid>,
    #[sqlx(default)]
    api_key_id: Option<Uuid>,
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
            place: usize::try_from(row.place).unwrap_or(usize::MAX),
            label: row.label,
            user: row.user_id.map(UserId),
            // Sums cannot be keyed by NULL: the nil id stands for no key there.
            key: row.api_key_id.filter(|id| !id.is_nil()).map(ApiKeyId),
            sums: Sums { calls: row.calls, failed: row.failed, tokens, credits: Credits::from_micro(row.credits) },
        }
    }
}

/// Readies a transaction for questions about sums.
pub async fn begin(tx: &mut Tx) -> Result<()> {
    run!(tx, execute, PLAINLY)?;
    Ok(())
}

/// From sums, those of all spans. Of several callers' sums where the question needs to know callers, else from the sums of the whole hub.
pub async fn of_sums(tx: &mut Tx, question: &Question, spans: &[Span]) -> Result<Vec<Part>> {
    if spans.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = on!(tx, |c, s| {
        let mut query = QueryBuilder::new("");
        values(&mut query, spans);
        head(&mut query, "p.place + (u.start - p.first) / p.step", question.group, SUMS_OF_SUMS, s(EACH));
        query.push(if question.of_callers() { "usage_user_sums" } else { "usage_sums" }).push(IN_SPAN);
        filter(&mut query, question);
        tail(&mut query, question.group, s(END));
        // A plan made for any range and any filter would be a bad one for most.
        query.build_query_as().persistent(false).fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(Part::from).collect())
}

/// The newest sums with calls that fit, or with failed ones; of every length that the spans have, at most `limit`.
pub async fn slots(tx: &mut Tx, question: &Question, spans: &[Span], failed: bool, limit: i64) -> Result<Vec<Slot>> {
    if spans.is_empty() {
        return Ok(Vec::new());
    }
    let counted = if failed { "failed" } else { "calls" };
    Ok(on!(tx, |c, s| {
        let mut query = QueryBuilder::new("");
        values(&mut query, spans);
        query
            .push(format_args!(") SELECT u.length, u.start, CAST(SUM({counted}) AS BIGINT) AS count FROM "))
            .push(s(EACH));
        query.push(if question.of_callers() { "usage_user_sums" } else { "usage_sums" }).push(IN_SPAN);
        filter(&mut query, question);
        query.push(format_args!(" AND u.{counted} > 0")).push(s(END));
        query.push(" GROUP BY u.length, u.start ORDER BY u.start DESC LIMIT ").push_bind(limit);
        query.build_query_as().persistent(false).fetch_all(c).await
    })?)
}

/// From the calls themselves, those of all ranges.
pub async fn of_calls(tx: &mut Tx, question: &Question, ranges: &[Moments]) -> Result<Vec<Part>> {
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = on!(tx, |c, s| {
        let mut query = QueryBuilder::new("WITH spans (place, first, last) AS (VALUES ");
        for (number, Moments { place, from, to }) in ranges.iter().enumerate() {
            query.push(if number == 0 { "(" } else { ", (" }).push(place);
            query.push(", ").push_bind(*from).push(", ").push_bind(*to).push(")");
        }
        head(&mut query, "p.place", question.group, SUMS_OF_CALLS, s(EACH));
        query.push("usage_logs u WHERE u.created_at >= p.first AND u.created_at < p.last");
        filter(&mut query, question);
        tail(&mut query, question.group, s(END));
        query.build_query_as().persistent(false).fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(Part::from).collect())
}

/// The spans as a table. Numbers, so they may stand in the text.
fn values<DB: Database>(query: &mut QueryBuilder<DB>, spans: &[Span]) {
    query.push("WITH spans (place, length, first, last, step) AS (VALUES ");
    for (number, Span { place, length, from, to, step }) in spans.iter().enumerate() {
        query.push(if number == 0 { "" } else { ", " }).push(format_args!("({place}, {length}, {from}, {to}, {step})"));
    }
}

fn head<DB: Database>(query: &mut QueryBuilder<DB>, place: &str, group: GroupBy, sums: &str, each: &str) {
    query.push(format_args!(") SELECT CAST({place} AS BIGINT) AS place, ")).push(group.selected()).push(sums);
    query.push(" FROM ").push(each);
}

fn tail<DB: Database>(query: &mut QueryBuilder<DB>, group: GroupBy, end: &str) {
    query.push(end).push(" GROUP BY 1").push(group.columns());
}

/// Adds the filters of a question.
fn filter<DB: Database>(query: &mut QueryBuilder<DB>, question: &Question)
where
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
    for<'q> &'q String: Encode<'q, DB> + Type<DB>,
{
    let Question { users, keys, services, providers, models, .. } = question;
    one_of(query, "u.user_id", users.iter().map(|id| id.0));
    one_of(query, "u.api_key_id", keys.iter().map(|id| id.0));
    one_of(query, "u.service", services);
    one_of(query, "u.provider", providers);
    one_of(query, "u.model", models);
}

/// `column IN (…)`; nothing when any will do.
fn one_of<'q, DB, T>(query: &mut QueryBuilder<DB>, column: &str, values: impl IntoIterator<Item = T>)
where
    DB: Database,
    T: Encode<'q, DB> + Type<DB> + 'q,
{
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return;
    }
    query.push(" AND ").push(column).push(" IN (");
    let mut list = query.separated(", ");
    values.for_each(|value| {
        list.push_bind(value);
    });
    query.push(")");
}
