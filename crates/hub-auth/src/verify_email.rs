//! `POST /api/auth/verify-email`: proves the mailbox and makes the account. A GET changes nothing, because mail scanners open links.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::identity::{self, MailboxProof};
use hub_types::Email;
use hub_web::{ApiError, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::errors;
use crate::views::MessageBody;

/// Either the address and the code, or the token of the link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VerifyEmailBody {
    /// Where the code was mailed.
    email: Option<Email>,
    /// Six digits.
    #[schema(pattern = "^[0-9]{6}$")]
    code: Option<String>,
    /// From the link.
    token: Option<String>,
}

/// Finishes a registration; does not sign in.
#[utoipa::path(post, path = "/api/auth/verify-email", tag = "auth", request_body = VerifyEmailBody, security(()),
    responses((status = 200, body = MessageBody)))]
pub(crate) async fn verify_email(
    State(hub): State<Arc<Hub>>,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<VerifyEmailBody>,
) -> Result<Json<MessageBody>, ApiError> {
    let proof = match (body.email, body.code, body.token) {
        (Some(email), Some(code), None) => MailboxProof::Code { email, code },
        (None, None, Some(token)) => MailboxProof::Token(token),
        _ => return Err(ApiError::validation("body", "must have email and code, or token")),
    };
    identity::verify_email(&hub, &origin, proof).await.map_err(errors::verify)?;
    Ok(Json(MessageBody { message: "Your address is verified, you can sign in now" }))
}
