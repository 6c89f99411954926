//! `/api/credits/alerts`: when and where the owner of an account is told of a low balance.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::credits::{self, AlertSettings};
use hub_types::Credits;
use hub_web::{ApiError, Authenticated, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::errors;

/// What is asked for; what is absent is switched off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AlertsBody {
    /// Tell when the balance falls below this; above zero.
    low_balance_at: Option<Credits>,
    /// Tell this address too, besides by mail: a public https address.
    #[schema(max_length = 500)]
    webhook_url: Option<String>,
}

/// What is in force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertsView {
    /// Tell when the balance falls below this; `null` for no alerts.
    low_balance_at: Option<Credits>,
    /// Told too.
    webhook_url: Option<String>,
    /// What messages to a new address are signed with: `x-hub-signature: t=<seconds>,v1=<hex>` is HMAC-SHA-256 over `<seconds>.<body>`.
    /// Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_secret: Option<String>,
}

fn view(settings: AlertSettings, webhook_secret: Option<String>) -> Json<AlertsView> {
    let AlertSettings { low_balance_at, webhook_url } = settings;
    Json(AlertsView { low_balance_at, webhook_url, webhook_secret })
}

/// What the caller's account is told.
#[utoipa::path(get, path = "/api/credits/alerts", tag = "credits", operation_id = "credit_alerts", responses((status = 200, body = AlertsView)))]
pub(crate) async fn alerts(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<AlertsView>, ApiError> {
    Ok(view(credits::alerts(&hub, &caller).await.map_err(errors::credits)?, None))
}

/// Sets what the caller's account is told. Each fall below the threshold is told once to the webhook, and by mail at most once an hour.
#[utoipa::path(put, path = "/api/credits/alerts", tag = "credits", operation_id = "set_credit_alerts", request_body = AlertsBody,
    responses((status = 200, body = AlertsView)))]
pub(crate) async fn set_alerts(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Json(body): Json<AlertsBody>,
) -> Result<Json<AlertsView>, ApiError> {
    let asked = AlertSettings { low_balance_at: body.low_balance_at, webhook_url: body.webhook_url };
    let set = credits::set_alerts(&hub, &caller, asked).await.map_err(errors::credits)?;
    Ok(view(set.settings, set.new_secret))
}
