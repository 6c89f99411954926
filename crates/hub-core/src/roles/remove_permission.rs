//! `DELETE /api/roles/{id}/permissions/{permission}`: lets a role permit less.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::rbac::{self, PermissionEdit};
use hub_types::RoleId;
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};

use super::RoleView;
use crate::errors;

/// Takes one permission from a role; needs `roles:update`. `admin` keeps all of them.
#[utoipa::path(delete, path = "/api/roles/{id}/permissions/{permission}", tag = "roles",
    operation_id = "remove_role_permission",
    params(("id" = RoleId, Path, description = "The role."), ("permission" = String, Path, description = "`resource:action`.")),
    responses((status = 200, body = RoleView)))]
pub(crate) async fn remove_permission(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path((id, permission)): Path<(RoleId, String)>,
) -> Result<Json<RoleView>, ApiError> {
    let edit = PermissionEdit::Remove(permission);
    let changed = rbac::change_permissions(&hub, &caller, &origin, id, edit).await.map_err(errors::rights)?;
    Ok(Json(changed.into()))
}
