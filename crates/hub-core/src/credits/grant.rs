//! `POST /api/credits/grant`: credits given by an administrator.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::credits::{self, Category, Grant, GrantLot};
use hub_types::{Credits, Timestamp, UserId};
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
    /// When what is left of it is taken back; in the future.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Where it comes from: `promo`, `bonus` or `purchase`. With an end and without this: `bonus`.
    category: Option<String>,
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
    let category = body.category.as_deref().map(|word| {
        Category::from_word(word).ok_or_else(|| ApiError::validation("category", "must be promo, bonus or purchase"))
    });
    let category = category.transpose()?;
    let grant = Grant { user: body.user_id, amount: body.amount, reason: body.reason, key };
    let row = if category.is_none() && body.expires_at.is_none() {
        credits::grant(&hub, &caller, &origin, grant).await
    } else {
        let lot = GrantLot { grant, category: category.unwrap_or(Category::Bonus), expires_at: body.expires_at };
        credits::grant_lot(&hub, &caller, &origin, lot).await
    };
    Ok(Json(TransactionView::from(row.map_err(errors::credits)?)))
}
