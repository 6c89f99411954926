//! `POST /api/credits/refund`: a charge given back.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::credits::{self, Refund};
use hub_types::{Credits, TransactionId, UserId};
use hub_web::{ApiError, Authenticated, IdempotencyKey, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::transactions::TransactionView;
use crate::errors;

/// What is to be given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RefundBody {
    /// The charge.
    transaction_id: TransactionId,
    /// Whose it must be; somebody else's is 404.
    user_id: Option<UserId>,
    /// How much of it; without this all that is left.
    amount: Option<Credits>,
    /// Why; 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Gives a charge back, whole or in parts, never more than it was; needs `credits:grant`. What is no charge, or was given back already, is
/// 409. Repeatable with an `Idempotency-Key`.
#[utoipa::path(post, path = "/api/credits/refund", tag = "credits", operation_id = "refund_charge", request_body = RefundBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this refund.")),
    responses((status = 200, body = TransactionView)))]
pub(crate) async fn refund(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<RefundBody>,
) -> Result<Json<TransactionView>, ApiError> {
    let RefundBody { transaction_id, user_id, amount, reason } = body;
    let input = Refund { transaction: transaction_id, user: user_id, amount, reason, key };
    let row = credits::refund(&hub, &caller, &origin, input).await.map_err(errors::credits)?;
    Ok(Json(TransactionView::from(row)))
}
