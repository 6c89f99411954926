//! `POST /api/auth/change-email`: asks for another address; the answer is the same for every new address.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, identity};
use hub_types::Email;
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::errors;
use crate::views::MessageBody;

/// The address wanted.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeEmailBody {
    /// The new address.
    new_email: Email,
    /// Required where the account has a password; an account without one needs a sign-in of the last ten minutes.
    #[serde(default)]
    #[schema(max_length = 128, format = Password)]
    password: Option<String>,
}

/// Mails a link to the address in force; once that is confirmed, one to the new address. Asking again replaces the request.
#[utoipa::path(post, path = "/api/auth/change-email", operation_id = "request_email_change", tag = "auth", request_body = ChangeEmailBody,
    responses((status = 202, body = MessageBody)))]
pub(crate) async fn request(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<ChangeEmailBody>,
) -> Result<(StatusCode, Json<MessageBody>), ApiError> {
    let asked = identity::change_email(&hub, &caller, &origin, &body.new_email, body.password.as_deref()).await;
    asked.map_err(errors::change_email)?;
    Ok((
        StatusCode::ACCEPTED,
        Json(MessageBody { message: "Please confirm the change in the mail to your present address" }),
    ))
}
