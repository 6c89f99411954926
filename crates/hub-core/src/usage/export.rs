//! `GET /api/usage/export.csv`: the same calls for a spreadsheet, however many. One page of them is in memory at a time.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use hub_domain::usage::{Call, LogQuery, Position, UsageError, Zone};
use hub_domain::{Hub, usage};
use hub_types::Caller;
use hub_web::{ApiError, Authenticated, CSV_TYPE, Cell, Query, RequestOrigin, write_csv};

use super::logs::StatusQuery;
use super::query::UsageQuery;
use super::refused;

/// The first line.
const NAMES: [&str; 22] = [
    "id",
    "createdAt",
    "userId",
    "userEmail",
    "keyId",
    "keyName",
    "kind",
    "route",
    "service",
    "provider",
    "model",
    "inputTokens",
    "cacheReadTokens",
    "cacheWriteTokens",
    "outputTokens",
    "reasoningTokens",
    "usageSource",
    "credits",
    "status",
    "latencyMs",
    "firstTokenMs",
    "requestId",
];

/// An export under way.
struct Export {
    hub: Arc<Hub>,
    caller: Caller,
    query: LogQuery,
    zone: Zone,
    before: Option<Position>,
}

/// The calls one may see as CSV, newest first, with times as the clocks of `tz` show them. Columns of tokens mean what they mean in
/// the summary. Text that begins like a formula has an apostrophe before it.
#[utoipa::path(get, path = "/api/usage/export.csv", tag = "usage", operation_id = "export_usage", params(StatusQuery, UsageQuery),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(crate) async fn export(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Query(query): Query<UsageQuery>,
    Query(status): Query<StatusQuery>,
) -> Result<Response, ApiError> {
    let (scope, asked) = query.split()?;
    let query = LogQuery { scope, asked, status: status.status };
    let zone = usage::begin_export(&hub, &caller, &origin, &query).await.map_err(refused)?;
    let mut head = String::new();
    write_csv(&mut head, NAMES.map(Cell::Text));
    let rows = stream::try_unfold(Export { hub, caller, query, zone, before: None }, next);
    let body = futures::StreamExt::chain(stream::iter([Ok(head)]), rows);
    let headers = [(CONTENT_TYPE, CSV_TYPE), (CONTENT_DISPOSITION, "attachment; filename=\"usage.csv\"")];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// The next page. An error breaks the answer off, so that a part is not taken for the whole.
async fn next(mut export: Export) -> Result<Option<(String, Export)>, UsageError> {
    let calls = usage::export_page(&export.hub, &export.caller, &export.query, export.before).await?;
    let Some(last) = calls.last() else { return Ok(None) };
    export.before = Some((last.at, last.id));
    let mut page = String::new();
    for call in &calls {
        write_row(&mut page, call, export.zone);
    }
    Ok(Some((page, export)))
}

fn write_row(out: &mut String, call: &Call, zone: Zone) {
    let (id, at, user) = (call.id.to_string(), zone.local(call.at).to_rfc3339(), call.user.to_string());
    let key = call.key.map(|id| id.to_string()).unwrap_or_default();
    // The columns are those of the sums: sound and pictures are input and output there, long writes are writes.
    let tokens = call.tokens.coarse();
    write_csv(
        out,
        [
            Cell::Text(&id),
            Cell::Text(&at),
            Cell::Text(&user),
            Cell::Text(call.email.as_deref().unwrap_or_default()),
            Cell::Text(&key),
            Cell::Text(call.key_name.as_deref().unwrap_or_default()),
            Cell::Text(&call.kind),
            Cell::Text(&call.route),
            Cell::Text(&call.service),
            Cell::Text(&call.provider),
            Cell::Text(&call.model),
            Cell::Number(&tokens.input),
            Cell::Number(&tokens.cache_read),
            Cell::Number(&tokens.cache_write),
            Cell::Number(&tokens.output),
            Cell::Number(&tokens.reasoning),
            Cell::Text(&call.usage_source),
            Cell::Number(&call.credits),
            Cell::Text(&call.status),
            Cell::Number(&call.latency_ms),
            Cell::number(call.first_token_ms.as_ref()),
            Cell::Text(&call.request_id),
        ],
    );
}
