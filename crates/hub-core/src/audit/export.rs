//! `GET /api/admin/audit.csv`: the same rows for a spreadsheet, however many. One page of them is in memory at a time.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use hub_domain::Hub;
use hub_domain::audit::{self, AuditError, Entry, Position};
use hub_types::Caller;
use hub_web::{ApiError, Authenticated, CSV_TYPE, Cell, Query, RequestOrigin, write_csv};

use super::list::AuditQuery;
use super::refused;

/// The first line.
const NAMES: [&str; 13] = [
    "id",
    "createdAt",
    "action",
    "outcome",
    "actorId",
    "actorEmail",
    "targetKind",
    "targetId",
    "userId",
    "address",
    "userAgent",
    "requestId",
    "details",
];

/// An export under way.
struct Export {
    hub: Arc<Hub>,
    caller: Caller,
    query: audit::Query,
    before: Option<Position>,
}

/// The audit trail as CSV, newest first; needs `audit:read` and leaves a row itself. Text that begins like a formula has an apostrophe
/// before it.
#[utoipa::path(get, path = "/api/admin/audit.csv", tag = "admin", operation_id = "export_audit", params(AuditQuery),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(crate) async fn export(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Query(query): Query<AuditQuery>,
) -> Result<Response, ApiError> {
    let query = audit::Query::from(query);
    audit::begin_export(&hub, &caller, &origin, &query).await.map_err(refused)?;
    let mut head = String::new();
    write_csv(&mut head, NAMES.map(Cell::Text));
    let rows = stream::try_unfold(Export { hub, caller, query, before: None }, next);
    let body = futures::StreamExt::chain(stream::iter([Ok(head)]), rows);
    let headers = [(CONTENT_TYPE, CSV_TYPE), (CONTENT_DISPOSITION, "attachment; filename=\"audit.csv\"")];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// The next page. An error breaks the answer off, so that a part is not taken for the whole.
async fn next(mut export: Export) -> Result<Option<(String, Export)>, AuditError> {
    let rows = audit::export_page(&export.hub, &export.caller, &export.query, export.before).await?;
    let Some(last) = rows.last() else { return Ok(None) };
    export.before = Some((last.at, last.id));
    let mut page = String::new();
    for row in &rows {
        write_row(&mut page, row);
    }
    Ok(Some((page, export)))
}

fn write_row(out: &mut String, row: &Entry) {
    let (actor, user) = (row.actor.map(|id| id.to_string()), row.user.map(|id| id.to_string()));
    let (id, at, details) = (row.id.to_string(), row.at.to_rfc3339(), row.details.to_string());
    write_csv(
        out,
        [
            id.as_str(),
            &at,
            &row.action,
            &row.outcome,
            actor.as_deref().unwrap_or_default(),
            &row.actor_email,
            &row.target_kind,
            &row.target_id,
            user.as_deref().unwrap_or_default(),
            &row.address,
            &row.user_agent,
            &row.request_id,
            &details,
        ]
        .map(Cell::Text),
    );
}
