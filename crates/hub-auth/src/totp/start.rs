//! `POST /api/auth/totp`: begins a second factor.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, identity};
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::errors;

/// The owner's proof.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TotpStartBody {
    /// Required where the account has a password; an account without one needs a sign-in of the last ten minutes.
    #[serde(default)]
    #[schema(max_length = 128, format = Password)]
    password: Option<String>,
}

/// What goes into an authenticator app. Shown once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TotpSecretBody {
    /// In base32, for typing.
    secret: String,
    /// For a picture to scan.
    otpauth_url: String,
}

/// Gives a secret; it is asked for at sign-in only after a code of it was confirmed. Beginning again replaces an unconfirmed one.
#[utoipa::path(post, path = "/api/auth/totp", operation_id = "start_totp", tag = "auth", request_body = TotpStartBody,
    responses((status = 200, body = TotpSecretBody)))]
pub(crate) async fn start(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<TotpStartBody>,
) -> Result<Json<TotpSecretBody>, ApiError> {
    let begun = identity::start_totp(&hub, &caller, &origin, body.password.as_deref()).await;
    let begun = begun.map_err(errors::factor)?;
    Ok(Json(TotpSecretBody { secret: begun.secret, otpauth_url: begun.otpauth_url }))
}
