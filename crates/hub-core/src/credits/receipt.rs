//! `GET /api/credits/receipts/{id}`: what a charge consisted of.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::credits::{self, Receipt};
use hub_types::{ApiKeyId, Credits, HoldId, PriceId, Timestamp, TokenUsage, TransactionId, UserId};
use hub_web::{ApiError, Authenticated, Json, Path};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::errors;

/// A charge, explained: `exactCost` is the sum of tokens × unit price; `amount` is that, rounded up to a whole micro-credit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptView {
    /// Same as `x-hub-receipt` of the answer.
    id: HoldId,
    /// Who paid.
    user_id: UserId,
    /// The row in the history; absent when nothing was charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<TransactionId>,
    /// The key used.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_id: Option<ApiKeyId>,
    /// The request.
    request_id: String,
    /// The route called.
    route: String,
    /// Service word.
    service: String,
    /// Provider that answered.
    provider: String,
    /// Model as asked for.
    model: String,
    /// Model as sent to the provider.
    upstream_model: String,
    /// The provider's own id of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_id: Option<String>,
    /// Version of the price.
    price_id: PriceId,
    /// Micro-credits per million tokens of each class.
    #[schema(value_type = Object)]
    unit_prices: Value,
    /// Tokens by class; the classes do not overlap.
    usage: TokenUsage,
    /// Who counted: `provider`, `counted`, `checkpoint` or `none`.
    usage_source: String,
    /// Cost before rounding, in millionths of a micro-credit.
    exact_cost: i64,
    /// What was charged.
    amount: Credits,
    /// What the call cost beyond what was held; not charged.
    uncollected: Credits,
    /// What had been set aside before the call.
    held: Credits,
    /// `completed`, `cancelled`, `failed` or `expired`.
    outcome: String,
    /// Every attempt.
    #[schema(value_type = Vec<Object>)]
    attempts: Value,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Receipt> for ReceiptView {
    fn from(receipt: Receipt) -> Self {
        Self {
            id: receipt.id,
            user_id: receipt.user,
            transaction_id: receipt.transaction,
            api_key_id: receipt.api_key,
            request_id: receipt.request_id,
            route: receipt.route,
            service: receipt.service,
            provider: receipt.provider,
            model: receipt.model,
            upstream_model: receipt.upstream_model,
            upstream_id: receipt.upstream_id,
            price_id: receipt.price,
            unit_prices: receipt.unit_prices,
            usage: receipt.usage,
            usage_source: receipt.usage_source,
            exact_cost: receipt.exact_pico,
            amount: receipt.amount,
            uncollected: receipt.uncollected,
            held: receipt.held,
            outcome: receipt.outcome,
            attempts: receipt.attempts,
            created_at: receipt.created_at,
        }
    }
}

/// The receipt of one of the caller's calls.
#[utoipa::path(get, path = "/api/credits/receipts/{id}", tag = "credits", params(("id" = HoldId, Path)),
    responses((status = 200, body = ReceiptView)))]
pub(crate) async fn receipt(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<HoldId>,
) -> Result<Json<ReceiptView>, ApiError> {
    let receipt = credits::receipt(&hub, &caller, id).await.map_err(errors::credits)?;
    Ok(Json(ReceiptView::from(receipt)))
}
