//! `PUT /api/roles/{id}/permissions`: sets what a role permits.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::rbac::{self, PermissionEdit};
use hub_types::RoleId;
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};

use super::{PermissionsBody, RoleView};
use crate::errors;

/// Sets what a role permits, and nothing else; needs `roles:update`, and everything that is added. Access tokens of all holders are renewed at
/// their next refresh; the change acts within two seconds.
#[utoipa::path(put, path = "/api/roles/{id}/permissions", tag = "roles", operation_id = "set_role_permissions",
    request_body = PermissionsBody, params(("id" = RoleId, Path, description = "The role.")),
    responses((status = 200, body = RoleView)))]
pub(crate) async fn set_permissions(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<RoleId>,
    Json(body): Json<PermissionsBody>,
) -> Result<Json<RoleView>, ApiError> {
    let edit = PermissionEdit::Replace(body.permissions);
    let changed = rbac::change_permissions(&hub, &caller, &origin, id, edit).await.map_err(errors::rights)?;
    Ok(Json(changed.into()))
}
