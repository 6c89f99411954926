//! `POST /api/auth/resend-verification`: mails the proof of a registration again; the answer is the same for every address.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, identity};
use hub_types::Email;
use hub_web::{ApiError, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::errors;
use crate::views::MessageBody;

/// Whose registration.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResendVerificationBody {
    /// The address of the registration.
    email: Email,
}

/// Mails a new code and link, at most three times an hour; earlier ones stop working.
#[utoipa::path(post, path = "/api/auth/resend-verification", tag = "auth", request_body = ResendVerificationBody, security(()),
    responses((status = 202, body = MessageBody)))]
pub(crate) async fn resend_verification(
    State(hub): State<Arc<Hub>>,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<ResendVerificationBody>,
) -> Result<(StatusCode, Json<MessageBody>), ApiError> {
    identity::resend_verification(&hub, &origin, &body.email).await.map_err(errors::store)?;
    Ok((StatusCode::ACCEPTED, Json(MessageBody { message: "If there is something to verify, a mail is on its way" })))
}
