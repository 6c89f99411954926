//! `GET /api/roles`: all roles.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, rbac};
use hub_web::{ApiError, Authenticated, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::RoleView;
use crate::errors;

/// All roles; a hub has few hundred at most.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RolesView {
    /// Mightiest first.
    roles: Vec<RoleView>,
}

/// All roles with what they permit; needs `roles:read`.
#[utoipa::path(get, path = "/api/roles", tag = "roles", operation_id = "list_roles",
    responses((status = 200, body = RolesView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<RolesView>, ApiError> {
    let found = rbac::list_roles(&hub, &caller).await.map_err(errors::rights)?;
    Ok(Json(RolesView { roles: found.into_iter().map(RoleView::from).collect() }))
}
