//! `POST /api/auth/register`: asks for an account; the answer is the same for every address.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::Hub;
use hub_domain::identity::{self, Register};
use hub_types::Email;
use hub_web::{ApiError, Json};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::errors;
use crate::views::MessageBody;

/// The account asked for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RegisterBody {
    /// Where the proof is mailed.
    email: Email,
    /// At least 8 characters with an upper-case letter, a digit and a special character, or at least 15 characters.
    #[schema(min_length = 8, max_length = 128, format = Password)]
    password: String,
    /// Display name.
    #[serde(default)]
    #[schema(max_length = 100)]
    name: String,
}

/// Mails a code and a link; the account is made when one of them comes back.
#[utoipa::path(post, path = "/api/auth/register", tag = "auth", request_body = RegisterBody, security(()),
    responses((status = 202, body = MessageBody)))]
pub(crate) async fn register(
    State(hub): State<Arc<Hub>>,
    Json(body): Json<RegisterBody>,
) -> Result<(StatusCode, Json<MessageBody>), ApiError> {
    let input = Register { email: body.email, password: body.password, name: body.name };
    identity::register(&hub, input).await.map_err(errors::register)?;
    Ok((StatusCode::ACCEPTED, Json(MessageBody { message: "Please check your mail to finish the registration" })))
}
