//! `POST /api/auth/reauthenticate`: proves again who is behind this session, before sensitive actions.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, identity};
use hub_types::Timestamp;
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::errors;

/// The proof.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReauthenticateBody {
    /// The password.
    #[schema(max_length = 128, format = Password)]
    password: String,
    /// A code of the authenticator app or a recovery code, where the account has a second factor.
    #[serde(default)]
    #[schema(max_length = 64)]
    totp: Option<String>,
}

/// How long the proof counts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FreshBody {
    /// Sensitive actions pass until then.
    #[schema(value_type = String, format = DateTime)]
    fresh_until: Timestamp,
}

/// Notes on this session that its person has just proved who they are.
#[utoipa::path(post, path = "/api/auth/reauthenticate", tag = "auth", request_body = ReauthenticateBody,
    responses((status = 200, body = FreshBody)))]
pub(crate) async fn reauthenticate(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<ReauthenticateBody>,
) -> Result<Json<FreshBody>, ApiError> {
    let done = identity::reauthenticate(&hub, &caller, &origin, &body.password, body.totp.as_deref()).await;
    Ok(Json(FreshBody { fresh_until: done.map_err(errors::reauthenticate)? }))
}
