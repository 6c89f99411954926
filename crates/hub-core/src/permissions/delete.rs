//! `DELETE /api/permissions/{id}`: deletes a permission.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, rbac};
use hub_types::PermissionId;
use hub_web::{ApiError, Authenticated, Path, RequestOrigin};

use crate::errors;

/// Deletes a permission that is none of the hub's own and takes it from every role; administrators only, with `roles:delete`.
#[utoipa::path(delete, path = "/api/permissions/{id}", tag = "roles", operation_id = "delete_permission",
    params(("id" = PermissionId, Path, description = "The permission.")), responses((status = 204)))]
pub(crate) async fn delete(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<PermissionId>,
) -> Result<StatusCode, ApiError> {
    rbac::delete_permission(&hub, &caller, &origin, id).await.map_err(errors::rights)?;
    Ok(StatusCode::NO_CONTENT)
}
