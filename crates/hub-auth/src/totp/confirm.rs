//! `POST /api/auth/totp/confirm`: puts the second factor in force.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, identity};
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::errors;

/// A code that the app shows now.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TotpConfirmBody {
    /// Six digits.
    #[schema(pattern = "^[0-9]{6}$")]
    code: String,
}

/// What lets somebody in who has lost the phone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecoveryCodesBody {
    /// Ten codes, each good for one sign-in. Shown once.
    recovery_codes: Vec<String>,
}

/// Puts the second factor in force and gives the recovery codes.
#[utoipa::path(post, path = "/api/auth/totp/confirm", operation_id = "confirm_totp", tag = "auth", request_body = TotpConfirmBody,
    responses((status = 200, body = RecoveryCodesBody)))]
pub(crate) async fn confirm(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<TotpConfirmBody>,
) -> Result<Json<RecoveryCodesBody>, ApiError> {
    let codes = identity::confirm_totp(&hub, &caller, &origin, &body.code).await.map_err(errors::factor)?;
    Ok(Json(RecoveryCodesBody { recovery_codes: codes }))
}
