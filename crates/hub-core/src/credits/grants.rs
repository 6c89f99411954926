//! `GET /api/credits/grants`: what is left of credits that were given together, and when it ends.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::credits::{self, OpenGrant};
use hub_types::{Credits, GrantId, Timestamp, TransactionId, UserId};
use hub_web::{ApiError, Authenticated, Cursor, Json, PageQuery, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::errors;

/// Whose.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct GrantsQuery {
    /// Somebody else's account; needs `credits:read_any`.
    user_id: Option<UserId>,
}

/// Credits that were given together.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrantView {
    /// Its id.
    id: GrantId,
    /// The row in the history that gave them.
    transaction_id: TransactionId,
    /// `promo`, `bonus` or `purchase`.
    category: &'static str,
    /// What was given.
    amount: Credits,
    /// What is left.
    remaining: Credits,
    /// When they were given.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When what is left is taken back; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl From<OpenGrant> for GrantView {
    fn from(grant: OpenGrant) -> Self {
        Self {
            id: grant.id,
            transaction_id: grant.transaction,
            category: grant.category.as_str(),
            amount: grant.amount,
            remaining: grant.remaining,
            created_at: grant.created_at,
            expires_at: grant.expires_at,
        }
    }
}

/// A page of grants.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrantsView {
    /// Those with something left, in the order they are spent. Credits that are in none of them are spent last and do not end.
    grants: Vec<GrantView>,
    /// How many in all.
    total: usize,
    /// True when more follow.
    has_more: bool,
    /// Where they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// The caller's grants, or somebody else's.
#[utoipa::path(get, path = "/api/credits/grants", tag = "credits", operation_id = "list_grants", params(PageQuery, GrantsQuery),
    responses((status = 200, body = GrantsView)))]
pub(crate) async fn grants(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
    Query(query): Query<GrantsQuery>,
) -> Result<Json<GrantsView>, ApiError> {
    let all = credits::grants(&hub, &caller, query.user_id).await.map_err(errors::credits)?;
    let (total, limit) = (all.len(), usize::try_from(page.limit).unwrap_or(usize::MAX));
    let offset = usize::try_from(page.offset.unwrap_or(0)).unwrap_or(usize::MAX);
    let start = page.after::<usize>()?.unwrap_or(offset);
    let has_more = total > start.saturating_add(limit);
    let next_cursor = has_more.then(|| Cursor::encode(&(start + limit))).transpose()?;
    let grants = all.into_iter().skip(start).take(limit).map(GrantView::from).collect();
    Ok(Json(GrantsView { grants, total, has_more, next_cursor }))
}
