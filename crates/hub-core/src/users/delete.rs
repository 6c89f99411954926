//! `DELETE /api/users/{id}`: deletes an account; it can be restored.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, users};
use hub_types::UserId;
use hub_web::{ApiError, Authenticated, Path, RequestOrigin};

use crate::errors;

/// Deletes an account: its sessions end, its keys stop, its address stays taken, its owner is told by mail. Needs `users:delete`.
#[utoipa::path(delete, path = "/api/users/{id}", tag = "users", operation_id = "delete_user",
    params(("id" = UserId, Path, description = "The account.")), responses((status = 204)))]
pub(crate) async fn delete(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<UserId>,
) -> Result<StatusCode, ApiError> {
    users::remove(&hub, &caller, &origin, id).await.map_err(errors::rights)?;
    Ok(StatusCode::NO_CONTENT)
}
