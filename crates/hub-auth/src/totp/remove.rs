//! `DELETE /api/auth/totp`: takes the second factor away.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, identity};
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::errors;

/// Both factors of the owner.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TotpRemoveBody {
    /// Required where the account has a password; an account without one needs a sign-in of the last ten minutes.
    #[serde(default)]
    #[schema(max_length = 128, format = Password)]
    password: Option<String>,
    /// A code of the app, or a recovery code.
    #[schema(max_length = 64)]
    code: String,
}

/// Takes the second factor and its recovery codes away. The owner is told by mail.
#[utoipa::path(delete, path = "/api/auth/totp", operation_id = "remove_totp", tag = "auth", request_body = TotpRemoveBody, responses((status = 204)))]
pub(crate) async fn remove(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<TotpRemoveBody>,
) -> Result<StatusCode, ApiError> {
    let done = identity::remove_totp(&hub, &caller, &origin, body.password.as_deref(), &body.code).await;
    done.map_err(errors::factor)?;
    Ok(StatusCode::NO_CONTENT)
}
