//! `POST /api/auth/change-email/revert`: the way back, for whoever has the mailbox of the old address.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, identity};
use hub_web::{ApiError, Json, RequestOrigin};

use super::EmailTokenBody;
use crate::errors;

/// Puts the old address in force again and signs out all devices; works for seven days after the change.
#[utoipa::path(post, path = "/api/auth/change-email/revert", operation_id = "revert_email_change", tag = "auth", request_body = EmailTokenBody, security(()),
    responses((status = 204)))]
pub(crate) async fn revert(
    State(hub): State<Arc<Hub>>,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<EmailTokenBody>,
) -> Result<StatusCode, ApiError> {
    identity::revert_email(&hub, &origin, &body.token).await.map_err(errors::change_email)?;
    Ok(StatusCode::NO_CONTENT)
}
