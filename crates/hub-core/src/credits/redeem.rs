//! `POST /api/credits/redeem`: a promo code turned into credits.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, promo};
use hub_types::{Credits, Timestamp, TransactionId};
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::errors;

/// The code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RedeemBody {
    /// As it was given; case does not matter.
    code: String,
}

/// What it gave.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedeemedView {
    /// Always `true`; a refusal is an error.
    success: bool,
    /// How much.
    credits: Credits,
    /// Balance right after it.
    new_balance: Credits,
    /// The row in the history.
    transaction_id: TransactionId,
    /// When what is left of it is taken back; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// Redeems a code for the caller's own account. A code that cannot be redeemed is 404, whatever the cause; one that the caller redeemed
/// before is 409.
#[utoipa::path(post, path = "/api/credits/redeem", tag = "credits", operation_id = "redeem_promo_code", request_body = RedeemBody,
    responses((status = 200, body = RedeemedView)))]
pub(crate) async fn redeem(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<RedeemBody>,
) -> Result<Json<RedeemedView>, ApiError> {
    let done = promo::redeem(&hub, &caller, &origin, &body.code).await.map_err(errors::promo)?;
    Ok(Json(RedeemedView {
        success: true,
        credits: done.credits,
        new_balance: done.balance,
        transaction_id: done.transaction,
        expires_at: done.expires_at,
    }))
}
