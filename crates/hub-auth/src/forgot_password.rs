//! `POST /api/auth/forgot-password`: mails a link for a new password; the answer is the same for every address.

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

/// Whose password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ForgotPasswordBody {
    /// The address of the account.
    email: Email,
}

/// Mails a link that works once, for 30 minutes; earlier ones stop working.
#[utoipa::path(post, path = "/api/auth/forgot-password", tag = "auth", request_body = ForgotPasswordBody, security(()),
    responses((status = 202, body = MessageBody)))]
pub(crate) async fn forgot_password(
    State(hub): State<Arc<Hub>>,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<ForgotPasswordBody>,
) -> Result<(StatusCode, Json<MessageBody>), ApiError> {
    identity::forgot_password(&hub, &origin, &body.email).await.map_err(errors::store)?;
    Ok((StatusCode::ACCEPTED, Json(MessageBody { message: "If there is an account, a mail is on its way" })))
}
