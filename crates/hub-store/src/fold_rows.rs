//! The rows of a batch as the JSON documents that carry them into a statement.

use hub_types::UserId;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::budgets::Charged;
use crate::fold::time;
use crate::fold_once::{Ended, Part, Placed};
use crate::holds::NewHold;
use crate::ledger::Posting;

#[derive(Serialize)]
pub(crate) struct PartRow {
    user_id: UserId,
    needed: i64,
    rise: i64,
    must: i64,
    amount: i64,
    held: i64,
    movements: i64,
    at: String,
}

impl From<&Part> for PartRow {
    fn from(part: &Part) -> Self {
        Self {
            user_id: part.user,
            needed: part.needed.micro(),
            rise: part.rise.micro(),
            must: part.must as i64,
            amount: part.amount.micro(),
            held: part.held.micro(),
            movements: part.movements,
            at: time(part.at),
        }
    }
}

/// What every ledger row says of its posting.
#[derive(Serialize)]
pub(crate) struct PostingRow<'a> {
    id: Uuid,
    user_id: Uuid,
    kind: &'static str,
    amount: i64,
    idem_key: &'a str,
    idem_hash: Option<String>,
    hold_id: Option<Uuid>,
    actor_id: Option<Uuid>,
    reason: &'a str,
    metadata: &'a Value,
    created_at: String,
}

impl<'a> From<&'a Posting> for PostingRow<'a> {
    fn from(posting: &'a Posting) -> Self {
        Self {
            id: posting.id.0,
            user_id: posting.user.0,
            kind: posting.kind.as_str(),
            amount: posting.amount.micro(),
            idem_key: &posting.key,
            idem_hash: posting.request_hash.as_deref().map(hex::encode),
            hold_id: posting.hold.map(|hold| hold.0),
            actor_id: posting.actor.map(|actor| actor.0),
            reason: &posting.reason,
            metadata: &posting.metadata,
            created_at: time(posting.at),
        }
    }
}

/// A ledger row that is numbered by where it stands in the batch.
#[derive(Serialize)]
pub(crate) struct LedgerRow<'a> {
    #[serde(flatten)]
    posting: PostingRow<'a>,
    after: i64,
    later: i64,
}

impl<'a> From<&'a Placed> for LedgerRow<'a> {
    fn from(row: &'a Placed) -> Self {
        Self { posting: PostingRow::from(&row.posting), after: row.after.micro(), later: row.later }
    }
}

/// A hold that ends, for SQLite.
pub(crate) fn ending(one: &Ended) -> Value {
    json!({
        "id": one.hold.id, "amount": one.hold.amount.micro(), "price_id": one.hold.price, "provider": one.hold.provider,
        "status": one.end.as_str(), "charged": one.receipt.amount.micro(), "at": time(one.receipt.created_at),
    })
}

#[derive(Serialize)]
pub(crate) struct OpenedRow<'a> {
    id: Uuid,
    user_id: Uuid,
    api_key_id: Option<Uuid>,
    request_id: &'a str,
    kind: &'static str,
    amount: i64,
    price_id: Uuid,
    service: &'a str,
    provider: &'a str,
    model: &'a str,
    owner: &'a str,
    checkpoint: &'a Value,
    lease_until: String,
    created_at: String,
    budgets: Vec<Charged>,
}

impl<'a> From<&'a NewHold> for OpenedRow<'a> {
    fn from(hold: &'a NewHold) -> Self {
        Self {
            id: hold.id.0,
            user_id: hold.user.0,
            api_key_id: hold.api_key.map(|key| key.0),
            request_id: &hold.request_id,
            kind: hold.kind,
            amount: hold.amount.micro(),
            price_id: hold.price.0,
            service: &hold.service,
            provider: &hold.provider,
            model: &hold.model,
            owner: &hold.owner,
            checkpoint: &hold.checkpoint,
            lease_until: time(hold.lease_until),
            created_at: time(hold.at),
            budgets: hold.charged(),
        }
    }
}

/// Receipt and usage row in one, since they say much the same.
#[derive(Serialize)]
pub(crate) struct Paper<'a> {
    id: Uuid,
    user_id: Uuid,
    transaction_id: Option<Uuid>,
    api_key_id: Option<Uuid>,
    request_id: &'a str,
    kind: &'a str,
    route: &'a str,
    service: &'a str,
    provider: &'a str,
    model: &'a str,
    upstream_model: &'a str,
    upstream_id: Option<&'a str>,
    price_id: Uuid,
    unit_prices: &'a Value,
    input: i64,
    cache_read: i64,
    cache_write: i64,
    output: i64,
    reasoning: i64,
    cache_write_long: i64,
    input_audio: i64,
    input_image: i64,
    output_audio: i64,
    output_image: i64,
    all_input: i64,
    all_cache_write: i64,
    all_output: i64,
    usage_source: &'a str,
    exact_pico: i64,
    amount: i64,
    uncollected: i64,
    held: i64,
    outcome: &'a str,
    attempts: &'a Value,
    attempt_count: i32,
    latency_ms: i64,
    first_token_ms: Option<i64>,
    metadata: &'a Value,
    began_at: String,
    created_at: String,
}

impl<'a> From<&'a Ended> for Paper<'a> {
    fn from(one: &'a Ended) -> Self {
        let (receipt, row) = (&one.receipt, &one.usage);
        let (usage, all) = (&receipt.usage, receipt.usage.coarse());
        Self {
            id: receipt.id.0,
            user_id: receipt.user.0,
            transaction_id: receipt.transaction.map(|id| id.0),
            api_key_id: receipt.api_key.map(|key| key.0),
            request_id: &receipt.request_id,
            kind: &row.kind,
            route: &receipt.route,
            service: &receipt.service,
            provider: &receipt.provider,
            model: &receipt.model,
            upstream_model: &receipt.upstream_model,
            upstream_id: receipt.upstream_id.as_deref(),
            price_id: receipt.price.0,
            unit_prices: &receipt.unit_prices,
            input: usage.input,
            cache_read: usage.cache_read,
            cache_write: usage.cache_write,
            output: usage.output,
            reasoning: usage.reasoning,
            cache_write_long: usage.cache_write_long,
            input_audio: usage.input_audio,
            input_image: usage.input_image,
            output_audio: usage.output_audio,
            output_image: usage.output_image,
            all_input: all.input,
            all_cache_write: all.cache_write,
            all_output: all.output,
            usage_source: &receipt.usage_source,
            exact_pico: receipt.exact_pico,
            amount: receipt.amount.micro(),
            uncollected: receipt.uncollected.micro(),
            held: receipt.held.micro(),
            outcome: &receipt.outcome,
            attempts: &receipt.attempts,
            attempt_count: row.attempts,
            latency_ms: row.latency_ms,
            first_token_ms: row.first_token_ms,
            metadata: &row.metadata,
            began_at: time(row.at),
            created_at: time(receipt.created_at),
        }
    }
}
