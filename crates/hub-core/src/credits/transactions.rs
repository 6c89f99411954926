//! `GET /api/credits/transactions`: an account's history, newest first.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::credits::{self, Direction, HistoryPage, HistoryQuery, Kind, Transaction};
use hub_types::{Credits, HoldId, Timestamp, TransactionId, UserId};
use hub_web::{ApiError, Authenticated, Cursor, Json, PageQuery, Query};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::errors;

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct TransactionsQuery {
    /// Somebody else's account; needs `credits:read_any`.
    user_id: Option<UserId>,
    /// Only this kind: `purchase`, `promo`, `grant`, `usage`, `refund`, `adjustment`, `expiry` or `chargeback`.
    kind: Option<String>,
    /// Not before, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Only what was given (`credit`) or only what was taken (`debit`).
    direction: Option<String>,
    /// Moved at least this much, either way.
    #[param(value_type = Option<f64>)]
    min_amount: Option<String>,
    /// Stands in the reason, or is the id of the request that was paid for.
    q: Option<String>,
}

impl TransactionsQuery {
    /// The filter in the words of the rules.
    pub(super) fn read(self) -> Result<HistoryQuery, ApiError> {
        let kind = self.kind.map(|word| {
            Kind::from_word(&word).ok_or_else(|| ApiError::validation("kind", "is not a kind of transaction"))
        });
        let direction = self.direction.map(|word| match word.as_str() {
            "credit" => Ok(Direction::Credit),
            "debit" => Ok(Direction::Debit),
            _ => Err(ApiError::validation("direction", "must be credit or debit")),
        });
        let min_amount = self
            .min_amount
            .map(|text| text.parse::<Credits>().map_err(|error| ApiError::validation("minAmount", error.to_string())));
        Ok(HistoryQuery {
            user: self.user_id,
            kind: kind.transpose()?,
            from: self.from,
            to: self.to,
            direction: direction.transpose()?,
            min_amount: min_amount.transpose()?,
            text: self.q,
        })
    }
}

/// One row of an account's history.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionView {
    /// Its id.
    id: TransactionId,
    /// Negative for what was taken.
    amount: Credits,
    /// `debit` or `credit`.
    #[serde(rename = "type")]
    direction: &'static str,
    /// Why money moved, as a word.
    kind: String,
    /// Why, in the words of who moved it.
    reason: String,
    /// Balance right after it.
    balance_after: Credits,
    /// Who moved it, if not the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<UserId>,
    /// The receipt that explains it, if it paid for a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_id: Option<HoldId>,
    /// Free data.
    #[schema(value_type = Object)]
    metadata: Value,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Transaction> for TransactionView {
    fn from(row: Transaction) -> Self {
        Self {
            id: row.id,
            amount: row.amount,
            direction: if row.amount.is_positive() { "credit" } else { "debit" },
            kind: row.kind,
            reason: row.reason,
            balance_after: row.balance_after,
            actor_id: row.actor,
            receipt_id: row.hold,
            metadata: row.metadata,
            created_at: row.created_at,
        }
    }
}

/// A page of history.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionsView {
    /// The rows, newest first.
    transactions: Vec<TransactionView>,
    /// Rows that fit in all; not on pages after a cursor, as the next two.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
    /// What those that fit gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    credited: Option<Credits>,
    /// What those that fit took.
    #[serde(skip_serializing_if = "Option::is_none")]
    debited: Option<Credits>,
    /// True when older rows follow.
    has_more: bool,
    /// Where they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// The caller's history, or somebody else's.
#[utoipa::path(get, path = "/api/credits/transactions", tag = "credits", params(PageQuery, TransactionsQuery),
    responses((status = 200, body = TransactionsView)))]
pub(crate) async fn transactions(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
    Query(query): Query<TransactionsQuery>,
) -> Result<Json<TransactionsView>, ApiError> {
    let part = HistoryPage {
        limit: i64::from(page.limit),
        before_version: page.after::<i64>()?,
        offset: i64::try_from(page.offset.unwrap_or(0)).unwrap_or(i64::MAX),
    };
    let history = credits::history(&hub, &caller, &query.read()?, part).await.map_err(errors::credits)?;
    let last = history.rows.last().filter(|_| history.has_more);
    let next_cursor = last.map(|row| Cursor::encode(&row.version)).transpose()?;
    let totals = history.totals;
    Ok(Json(TransactionsView {
        transactions: history.rows.into_iter().map(TransactionView::from).collect(),
        total: totals.map(|totals| totals.rows),
        credited: totals.map(|totals| totals.credited),
        debited: totals.map(|totals| totals.debited),
        has_more: history.has_more,
        next_cursor,
    }))
}
