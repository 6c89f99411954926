//! `GET /api/credits/orders/{id}`: one purchase and how it stands.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, payments};
use hub_types::OrderId;
use hub_web::{ApiError, Authenticated, Json, Path};

use super::errors;
use super::views::OrderView;

/// One of the caller's purchases.
#[utoipa::path(get, path = "/api/credits/orders/{id}", operation_id = "get_order", tag = "credits", params(("id" = OrderId, Path)),
    responses((status = 200, body = OrderView)))]
pub(crate) async fn order(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<OrderId>,
) -> Result<Json<OrderView>, ApiError> {
    let order = payments::order(&hub, &caller, id).await.map_err(errors::payments)?;
    Ok(Json(OrderView::from(order)))
}
