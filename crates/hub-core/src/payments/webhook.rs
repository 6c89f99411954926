//! `POST /api/webhooks/stripe`: events of the payment provider. The signature over the raw body is the only credential.

use std::sync::Arc;

use axum::extract::State;
use http::HeaderMap;
use hub_domain::{Hub, payments};
use hub_web::{ApiError, Json, RawBody};
use serde::Serialize;
use utoipa::ToSchema;

use super::errors;

/// The event is written down.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceivedView {
    /// Always `true`; a refusal is an error.
    received: bool,
}

/// Takes a signed event of Stripe. It is written down and answered at once, and worked off afterwards; the same event again changes
/// nothing. 404 where this hub takes no events of Stripe.
#[utoipa::path(post, path = "/api/webhooks/stripe", operation_id = "stripe_webhook", tag = "webhooks", security(()),
    params(("Stripe-Signature" = String, Header, description = "`t=…,v1=…` over the raw body.")),
    request_body(content = Object, description = "An event of Stripe."),
    responses((status = 200, body = ReceivedView)))]
pub(crate) async fn stripe(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<ReceivedView>, ApiError> {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    payments::receive(&hub, "stripe", signature, &body).await.map_err(errors::event)?;
    Ok(Json(ReceivedView { received: true }))
}
