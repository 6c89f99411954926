//! `POST /api/auth/reset-password`: sets a new password with the mailed link.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, identity};
use hub_web::{ApiError, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::errors;

/// The link's token and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResetPasswordBody {
    /// From the link.
    token: String,
    /// The new password; the rules of registration.
    #[schema(min_length = 8, max_length = 128, format = Password)]
    password: String,
}

/// Sets the password and signs out all devices. A password that is too weak leaves the link usable.
#[utoipa::path(post, path = "/api/auth/reset-password", tag = "auth", request_body = ResetPasswordBody, security(()),
    responses((status = 204)))]
pub(crate) async fn reset_password(
    State(hub): State<Arc<Hub>>,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<ResetPasswordBody>,
) -> Result<StatusCode, ApiError> {
    identity::reset_password(&hub, &origin, &body.token, &body.password).await.map_err(errors::reset)?;
    Ok(StatusCode::NO_CONTENT)
}
