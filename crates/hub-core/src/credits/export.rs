//! `GET /api/credits/transactions/export.csv`: an account's history for a spreadsheet. One page of it is in memory at a time.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use hub_domain::Hub;
use hub_domain::credits::{self, CreditsError, HistoryQuery, Transaction};
use hub_types::Caller;
use hub_web::{ApiError, Authenticated, CSV_TYPE, Cell, Query, write_csv};

use super::transactions::TransactionsQuery;
use crate::errors;

/// The first line.
const NAMES: [&str; 10] =
    ["id", "createdAt", "kind", "type", "amount", "balanceAfter", "reason", "receiptId", "actorId", "metadata"];

/// An export under way.
struct Export {
    hub: Arc<Hub>,
    caller: Caller,
    query: HistoryQuery,
    /// The rows of the first page, which is read before the answer begins, so that a refusal has its status.
    first: Option<Vec<Transaction>>,
    before: Option<i64>,
}

/// The caller's history as CSV, newest first, or somebody else's. Text that begins like a formula has an apostrophe before it; amounts
/// are plain numbers.
#[utoipa::path(get, path = "/api/credits/transactions/export.csv", tag = "credits", operation_id = "export_transactions",
    params(TransactionsQuery), responses((status = 200, body = String, content_type = "text/csv")))]
pub(crate) async fn export(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Query(query): Query<TransactionsQuery>,
) -> Result<Response, ApiError> {
    let query = query.read()?;
    let first = credits::export_history(&hub, &caller, &query, None).await.map_err(errors::credits)?;
    let mut head = String::new();
    write_csv(&mut head, NAMES.map(Cell::Text));
    let rows = stream::try_unfold(Export { hub, caller, query, first: Some(first), before: None }, next);
    let body = futures::StreamExt::chain(stream::iter([Ok(head)]), rows);
    let headers = [(CONTENT_TYPE, CSV_TYPE), (CONTENT_DISPOSITION, "attachment; filename=\"transactions.csv\"")];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// The next page. An error breaks the answer off, so that a part is not taken for the whole.
async fn next(mut export: Export) -> Result<Option<(String, Export)>, CreditsError> {
    let rows = match export.first.take() {
        Some(rows) => rows,
        None => credits::export_history(&export.hub, &export.caller, &export.query, export.before).await?,
    };
    let Some(last) = rows.last() else { return Ok(None) };
    export.before = Some(last.version);
    let mut page = String::new();
    for row in &rows {
        write_row(&mut page, row);
    }
    Ok(Some((page, export)))
}

fn write_row(out: &mut String, row: &Transaction) {
    let (id, at, metadata) = (row.id.to_string(), row.created_at.to_rfc3339(), row.metadata.to_string());
    let (receipt, actor) = (row.hold.map(|id| id.to_string()), row.actor.map(|id| id.to_string()));
    let direction = if row.amount.is_positive() { "credit" } else { "debit" };
    write_csv(
        out,
        [
            Cell::Text(&id),
            Cell::Text(&at),
            Cell::Text(&row.kind),
            Cell::Text(direction),
            Cell::Number(&row.amount),
            Cell::Number(&row.balance_after),
            Cell::Text(&row.reason),
            Cell::Text(receipt.as_deref().unwrap_or_default()),
            Cell::Text(actor.as_deref().unwrap_or_default()),
            Cell::Text(&metadata),
        ],
    );
}
