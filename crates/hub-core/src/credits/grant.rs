//! `POST /api/credits/grant`: credits given by an administrator.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::credits::{self, Grant};
use hub_types::{Credits, UserId};
use hub_web::{ApiError, Authenticated, IdempotencyKey, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::transactions::TransactionView;
use crate::errors;

/// What is to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GrantBody {
    /// To whom.
    user_id: UserId,
    /// How much; above zero.
    amount: Credits,
    /// Why; 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Gives credits to an account; needs `credits:grant`. Repeatable with an `Idempotency-Key`.
#[utoipa::path(post, path = "/api/credits/grant", tag = "credits", request_body = GrantBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's own name for this grant.")),
    responses((status = 200, body = TransactionView)))]
pub(crate) async fn grant(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<GrantBody>,
) -> Result<Json<TransactionView>, ApiError> {
    let input = Grant { user: body.user_id, amount: body.amount, reason: body.reason, key };
    let row = credits::grant(&hub, &caller, &origin, input).await.map_err(errors::credits)?;
    Ok(Json(TransactionView::from(row)))
}
