//! `GET /api/permissions`: all permissions.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, rbac};
use hub_web::{ApiError, Authenticated, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::PermissionView;
use crate::errors;

/// All permissions; a hub has few hundred at most.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PermissionsView {
    /// By name.
    permissions: Vec<PermissionView>,
}

/// All permissions; needs `roles:read`.
#[utoipa::path(get, path = "/api/permissions", tag = "roles", operation_id = "list_permissions",
    responses((status = 200, body = PermissionsView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<PermissionsView>, ApiError> {
    let found = rbac::list_permissions(&hub, &caller).await.map_err(errors::rights)?;
    Ok(Json(PermissionsView { permissions: found.into_iter().map(PermissionView::from).collect() }))
}
