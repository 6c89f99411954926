//! `POST /api/credits/adjust`: a balance corrected by an administrator.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::credits::{self, Adjust};
use hub_types::{Credits, UserId};
use hub_web::{ApiError, Authenticated, IdempotencyKey, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::transactions::TransactionView;
use crate::errors;

/// What is to be corrected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AdjustBody {
    /// Whose account.
    user_id: UserId,
    /// Above zero gives, below zero takes.
    amount: Credits,
    /// Why; 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Corrects a balance in either direction; needs `credits:grant`, and `credits:update` to take. More than is spendable cannot be taken.
/// Repeatable with an `Idempotency-Key`.
#[utoipa::path(post, path = "/api/credits/adjust", tag = "credits", operation_id = "adjust_credits", request_body = AdjustBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this adjustment.")),
    responses((status = 200, body = TransactionView)))]
pub(crate) async fn adjust(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<AdjustBody>,
) -> Result<Json<TransactionView>, ApiError> {
    let input = Adjust { user: body.user_id, amount: body.amount, reason: body.reason, key };
    let row = credits::adjust(&hub, &caller, &origin, input).await.map_err(errors::credits)?;
    Ok(Json(TransactionView::from(row)))
}
