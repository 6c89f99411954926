//! `POST /api/credits/deduct`: the spec's direct deduction.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::credits::{self, Deduct};
use hub_types::{Credits, TransactionId, UserId};
use hub_web::{ApiError, Authenticated, IdempotencyKey, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::errors;

/// What is to be deducted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeductBody {
    /// From whose account.
    user_id: UserId,
    /// How much; above zero.
    amount: Credits,
    /// Why; 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
    /// Free data for the history; at most 16 KiB.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// What happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeductedView {
    /// Always `true`; a refusal is an error.
    success: bool,
    /// Balance right after the deduction.
    new_balance: Credits,
    /// The row in the account's history.
    transaction_id: TransactionId,
}

/// Deducts credits from an account; needs `credits:update`. With an `Idempotency-Key` a repetition deducts nothing and answers
/// the same; the same key with another body is 409.
#[utoipa::path(post, path = "/api/credits/deduct", tag = "credits", request_body = DeductBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this deduction.")),
    responses((status = 200, body = DeductedView)))]
pub(crate) async fn deduct(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<DeductBody>,
) -> Result<Json<DeductedView>, ApiError> {
    let input = Deduct {
        user: body.user_id,
        amount: body.amount,
        reason: body.reason,
        metadata: Value::Object(body.metadata),
        key,
    };
    let done = credits::deduct(&hub, &caller, input).await.map_err(errors::credits)?;
    Ok(Json(DeductedView { success: true, new_balance: done.new_balance, transaction_id: done.transaction }))
}
