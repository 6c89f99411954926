//! `POST /api/auth/oauth/session/verify`: the program sends the code its person got.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::oauth::device;
use hub_web::{ApiError, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::errors;

/// The secret and the code.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VerifySessionBody {
    /// The program's secret.
    session_id: String,
    /// Eight characters, as the person typed them.
    verification_code: String,
}

/// The code was right.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerifiedSession {
    /// Always true.
    verified: bool,
}

/// Checks the code. Five tries per session; everything that does not fit looks the same.
#[utoipa::path(post, path = "/api/auth/oauth/session/verify", operation_id = "verify_oauth_session", tag = "auth", request_body = VerifySessionBody, security(()),
    responses((status = 200, body = VerifiedSession)))]
pub(crate) async fn verify(
    State(hub): State<Arc<Hub>>,
    Json(body): Json<VerifySessionBody>,
) -> Result<Json<VerifiedSession>, ApiError> {
    device::verify(&hub, &body.session_id, &body.verification_code).await.map_err(errors::device)?;
    Ok(Json(VerifiedSession { verified: true }))
}
