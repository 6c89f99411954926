//! `DELETE /api/users/invitations/{id}`: withdraws an open invitation.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, users};
use hub_types::VerificationId;
use hub_web::{ApiError, Authenticated, Path, RequestOrigin};

use crate::errors;

/// Withdraws an open invitation: its link stops working. Needs `users:create`, and for another role than `user` what giving the role needs.
#[utoipa::path(delete, path = "/api/users/invitations/{id}", tag = "users", operation_id = "withdraw_invitation",
    params(("id" = VerificationId, Path, description = "The invitation.")), responses((status = 204)))]
pub(crate) async fn withdraw(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<VerificationId>,
) -> Result<StatusCode, ApiError> {
    let done = users::withdraw_invitation(&hub, &caller, &origin, id).await.map_err(errors::rights)?;
    if done { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found("Invitation")) }
}
