//! `GET /api/usage/breakdown`: the sums of a range by model, provider, service, key or account.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, usage};
use hub_web::{ApiError, Authenticated, Json, PageQuery, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::{GroupWord, UsageQuery};
use super::refused;
use super::view::{GroupView, SummaryView, SumsView};

/// By what, and how many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct BreakdownQuery {
    /// `model`, `provider`, `service`, `key` or `user`.
    #[param(inline)]
    group_by: GroupWord,
}

/// One group.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupSums {
    /// Which.
    #[serde(flatten)]
    group: GroupView,
    /// Its sums.
    #[serde(flatten)]
    sums: SumsView,
}

/// Sums by group.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BreakdownView {
    /// The range and the sums over all groups.
    #[serde(flatten)]
    summary: SummaryView,
    /// By what.
    group_by: GroupWord,
    /// The dearest `limit` groups, dearest first; then all others together, where there are any.
    groups: Vec<GroupSums>,
    /// How many groups there are in all.
    total: usize,
}

/// Calls, tokens and credits by group. `limit` groups are named, the rest is one line.
#[utoipa::path(get, path = "/api/usage/breakdown", tag = "usage", operation_id = "usage_breakdown",
    params(BreakdownQuery, ("limit" = Option<u32>, Query, description = "Groups to be named, 1 to 100; 20 by default"), UsageQuery),
    responses((status = 200, body = BreakdownView)))]
pub(crate) async fn breakdown(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
    Query(query): Query<UsageQuery>,
    Query(by): Query<BreakdownQuery>,
) -> Result<Json<BreakdownView>, ApiError> {
    let (scope, asked) = query.split()?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let found = usage::breakdown(&hub, &caller, &scope, &asked, by.group_by.into(), limit).await.map_err(refused)?;
    let (count, rest) = found.others;
    let total = found.groups.len() + count;
    let mut groups: Vec<GroupSums> =
        found.groups.into_iter().map(|(group, sums)| GroupSums { group: group.into(), sums: sums.into() }).collect();
    if count > 0 {
        groups.push(GroupSums { group: GroupView::others(), sums: rest.into() });
    }
    Ok(Json(BreakdownView { summary: found.summary.into(), group_by: by.group_by, groups, total }))
}
