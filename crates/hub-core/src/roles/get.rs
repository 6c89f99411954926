//! `GET /api/roles/{id}`: one role.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, rbac};
use hub_types::RoleId;
use hub_web::{ApiError, Authenticated, Json, Path};

use super::RoleView;
use crate::errors;

/// One role; needs `roles:read`.
#[utoipa::path(get, path = "/api/roles/{id}", tag = "roles", operation_id = "get_role",
    params(("id" = RoleId, Path, description = "The role.")), responses((status = 200, body = RoleView)))]
pub(crate) async fn get(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<RoleId>,
) -> Result<Json<RoleView>, ApiError> {
    let found = rbac::get_role(&hub, &caller, id).await.map_err(errors::rights)?;
    Ok(Json(found.into()))
}
