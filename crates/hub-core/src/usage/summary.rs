//! `GET /api/usage/summary`: the sums of a range.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, usage};
use hub_web::{ApiError, Authenticated, Json, Query};

use super::query::UsageQuery;
use super::refused;
use super::view::SummaryView;

/// Calls, tokens and credits of a range, by default the last 30 local days; at most 400.
#[utoipa::path(get, path = "/api/usage/summary", tag = "usage", operation_id = "usage_summary", params(UsageQuery),
    responses((status = 200, body = SummaryView)))]
pub(crate) async fn summary(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Query(query): Query<UsageQuery>,
) -> Result<Json<SummaryView>, ApiError> {
    let (scope, asked) = query.split()?;
    let summary = usage::summary(&hub, &caller, &scope, &asked).await.map_err(refused)?;
    Ok(Json(summary.into()))
}
