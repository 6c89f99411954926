//! `GET /api/credits/balance`: what an account has.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, credits};
use hub_types::{Credits, Timestamp, UserId};
use hub_web::{ApiError, Authenticated, Json, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::errors;

/// Whose balance.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct BalanceQuery {
    /// Somebody else's account; needs `credits:read_any`. Without it: the caller's own.
    user_id: Option<UserId>,
}

/// What runs out soon.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExpiringView {
    /// How much.
    amount: Credits,
    /// When the first of it; absent when nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    first_at: Option<Timestamp>,
}

/// What an account has.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceView {
    /// Whose account.
    user_id: UserId,
    /// Sum of all transactions.
    balance: Credits,
    /// Promised to calls that are running now.
    held: Credits,
    /// What could be spent now: `balance - held`.
    available: Credits,
    /// The same under the name the rules use.
    spendable: Credits,
    /// What runs out within seven days, if nothing is spent.
    expiring_soon: ExpiringView,
    /// Always `credits`.
    currency: &'static str,
    /// When the account last changed.
    #[schema(value_type = String, format = DateTime)]
    last_updated: Timestamp,
}

/// The caller's balance, or somebody else's.
#[utoipa::path(get, path = "/api/credits/balance", tag = "credits", params(BalanceQuery), responses((status = 200, body = BalanceView)))]
pub(crate) async fn balance(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Query(query): Query<BalanceQuery>,
) -> Result<Json<BalanceView>, ApiError> {
    let found = credits::balance(&hub, &caller, query.user_id).await.map_err(errors::credits)?;
    Ok(Json(BalanceView {
        user_id: found.user,
        balance: found.balance,
        held: found.held,
        available: found.available,
        spendable: found.available,
        expiring_soon: ExpiringView { amount: found.expiring_soon.amount, first_at: found.expiring_soon.first },
        currency: "credits",
        last_updated: found.last_updated,
    }))
}
