//! `GET /api/credits/orders`: purchases, newest first.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, payments};
use hub_types::{OrderId, UserId};
use hub_web::{ApiError, Authenticated, Cursor, Json, Page, PageQuery, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::errors;
use super::views::OrderView;

/// Whose orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct OrdersQuery {
    /// Somebody else's; needs `credits:read_any`. Without it: the caller's own.
    user_id: Option<UserId>,
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrdersView {
    /// The orders, newest first.
    orders: Vec<OrderView>,
    /// True when older ones follow.
    has_more: bool,
    /// Where they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// The caller's purchases, or somebody else's.
#[utoipa::path(get, path = "/api/credits/orders", operation_id = "list_orders", tag = "credits", params(PageQuery, OrdersQuery),
    responses((status = 200, body = OrdersView)))]
pub(crate) async fn orders(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
    Query(query): Query<OrdersQuery>,
) -> Result<Json<OrdersView>, ApiError> {
    if page.offset.is_some() {
        return Err(ApiError::validation("offset", "is not supported here; use cursor"));
    }
    let before = page.after::<OrderId>()?;
    let rows = payments::list(&hub, &caller, query.user_id, before, i64::from(page.limit) + 1).await;
    let cut = Page::cut(rows.map_err(errors::payments)?, page.limit, |order| order.id)?;
    let orders = cut.items.into_iter().map(OrderView::from).collect();
    Ok(Json(OrdersView { orders, has_more: cut.has_more, next_cursor: cut.next_cursor }))
}
