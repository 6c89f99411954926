//! `DELETE /api/users/{id}/roles/{role}`: takes a role from somebody.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, rbac};
use hub_types::UserId;
use hub_web::{ApiError, Authenticated, Path, RequestOrigin};

use crate::errors;

/// Takes a role, within the limits of giving one; the last administrator stays. Needs `roles:update`.
#[utoipa::path(delete, path = "/api/users/{id}/roles/{role}", tag = "users", operation_id = "revoke_role",
    params(("id" = UserId, Path, description = "The account."), ("role" = String, Path, description = "The role's name.")),
    responses((status = 204)))]
pub(crate) async fn revoke(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path((id, role)): Path<(UserId, String)>,
) -> Result<StatusCode, ApiError> {
    let held = rbac::remove_role(&hub, &caller, &origin, id, &role).await.map_err(errors::rights)?;
    if held { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found("Role of this user")) }
}
