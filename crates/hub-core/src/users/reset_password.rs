//! `POST /api/users/{id}/reset-password`: mails the owner a link for a new password.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, users};
use hub_types::UserId;
use hub_web::{ApiError, Authenticated, Path, RequestOrigin};

use crate::errors;

/// Mails the owner the usual link for a new password; it works for 30 minutes, and nobody else sees it. Needs `users:update` and a session:
/// API keys cannot. The same hierarchy as every change of an account.
#[utoipa::path(post, path = "/api/users/{id}/reset-password", tag = "users", operation_id = "mail_password_reset",
    params(("id" = UserId, Path, description = "The account.")), responses((status = 202)))]
pub(crate) async fn reset_password(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<UserId>,
) -> Result<StatusCode, ApiError> {
    users::mail_reset(&hub, &caller, &origin, id).await.map_err(errors::credentials)?;
    Ok(StatusCode::ACCEPTED)
}
