//! `POST /api/credits/checkout`: begins a purchase.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, payments};
use hub_types::OrderId;
use hub_web::{ApiError, Authenticated, IdempotencyKey, Json, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors;

/// What is to be bought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CheckoutBody {
    /// Id of a package.
    package_id: String,
}

/// Where to pay.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckoutView {
    /// The order, to ask for its status.
    order_id: OrderId,
    /// The payment provider's page; send the buyer's browser there.
    url: String,
}

/// Begins the purchase of a package for the caller's own account; needs `credits:purchase`. The credits come once the payment provider
/// has confirmed the payment; the order says when. With an `Idempotency-Key` a repetition gives the same order.
#[utoipa::path(post, path = "/api/credits/checkout", operation_id = "begin_checkout", tag = "credits", request_body = CheckoutBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this purchase.")),
    responses((status = 200, body = CheckoutView)))]
pub(crate) async fn checkout(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<CheckoutBody>,
) -> Result<Json<CheckoutView>, ApiError> {
    let opened = payments::checkout(&hub, &caller, &origin, &body.package_id, key.as_deref()).await;
    let opened = opened.map_err(errors::payments)?;
    Ok(Json(CheckoutView { order_id: opened.order, url: opened.url }))
}
