//! `DELETE /api/roles/{id}`: deletes a role that nobody holds.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, rbac};
use hub_types::RoleId;
use hub_web::{ApiError, Authenticated, Path, RequestOrigin};

use crate::errors;

/// Deletes a role; needs `roles:delete`. 409 while somebody holds it, with their number in `details.holders`.
#[utoipa::path(delete, path = "/api/roles/{id}", tag = "roles", operation_id = "delete_role",
    params(("id" = RoleId, Path, description = "The role.")), responses((status = 204)))]
pub(crate) async fn delete(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<RoleId>,
) -> Result<StatusCode, ApiError> {
    rbac::delete_role(&hub, &caller, &origin, id).await.map_err(errors::rights)?;
    Ok(StatusCode::NO_CONTENT)
}
