//! `POST /api/auth/change-email/confirm`: confirms a change of address, first from the old mailbox, then from the new one.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::identity::{self, EmailConfirmed};
use hub_web::{ApiError, Json, RequestOrigin};
use serde::Serialize;
use utoipa::ToSchema;

use super::EmailTokenBody;
use crate::errors;

/// How far the change has come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EmailConfirmedBody {
    /// True when the new address is in force; false when its own confirmation is still missing.
    changed: bool,
    /// The same for the person who reads it.
    message: &'static str,
}

/// Uses a mailed link. A GET of the link changes nothing, because mail scanners open links.
#[utoipa::path(post, path = "/api/auth/change-email/confirm", operation_id = "confirm_email_change", tag = "auth", request_body = EmailTokenBody, security(()),
    responses((status = 200, body = EmailConfirmedBody)))]
pub(crate) async fn confirm(
    State(hub): State<Arc<Hub>>,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<EmailTokenBody>,
) -> Result<Json<EmailConfirmedBody>, ApiError> {
    let done = identity::confirm_email(&hub, &origin, &body.token).await.map_err(errors::change_email)?;
    Ok(Json(match done {
        EmailConfirmed::Old => EmailConfirmedBody {
            changed: false,
            message: "Thank you; now please confirm in the mail to the new address",
        },
        EmailConfirmed::New => EmailConfirmedBody { changed: true, message: "Your address is changed" },
    }))
}
