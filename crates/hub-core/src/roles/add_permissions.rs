//! `POST /api/roles/{id}/permissions`: lets a role permit more.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::rbac::{self, PermissionEdit};
use hub_types::RoleId;
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};

use super::{PermissionsBody, RoleView};
use crate::errors;

/// Lets a role permit more; needs `roles:update`, and everything that is added.
#[utoipa::path(post, path = "/api/roles/{id}/permissions", tag = "roles", operation_id = "add_role_permissions",
    request_body = PermissionsBody, params(("id" = RoleId, Path, description = "The role.")),
    responses((status = 200, body = RoleView)))]
pub(crate) async fn add_permissions(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<RoleId>,
    Json(body): Json<PermissionsBody>,
) -> Result<Json<RoleView>, ApiError> {
    let edit = PermissionEdit::Add(body.permissions);
    let changed = rbac::change_permissions(&hub, &caller, &origin, id, edit).await.map_err(errors::rights)?;
    Ok(Json(changed.into()))
}
