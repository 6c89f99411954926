//! `GET /api/auth/totp`: whether sign-in asks the caller for a second factor.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, identity};
use hub_web::{ApiError, Authenticated, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors;

/// Where the second factor stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TotpStatusBody {
    /// True when sign-in asks for it.
    enabled: bool,
    /// Unused recovery codes.
    recovery_codes_left: i64,
}

/// Tells whether a second factor is in force.
#[utoipa::path(get, path = "/api/auth/totp", operation_id = "totp_status", tag = "auth", responses((status = 200, body = TotpStatusBody)))]
pub(crate) async fn status(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<TotpStatusBody>, ApiError> {
    let status = identity::totp_status(&hub, &caller).await.map_err(errors::factor)?;
    Ok(Json(TotpStatusBody { enabled: status.enabled, recovery_codes_left: status.recovery_codes_left }))
}
