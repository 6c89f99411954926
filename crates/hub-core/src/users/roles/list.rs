//! `GET /api/users/{id}/roles`: the roles of somebody.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, rbac};
use hub_types::{RoleId, UserId};
use hub_web::{ApiError, Authenticated, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors;

/// A role that somebody holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeldRoleView {
    /// Its id.
    id: RoleId,
    /// Its name.
    name: String,
    /// What it is for.
    description: String,
    /// Place in the hierarchy; higher is mightier.
    rank: i32,
    /// True for the four that every hub has.
    system: bool,
}

/// Roles that somebody holds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldRolesView {
    /// Mightiest first.
    pub(super) roles: Vec<HeldRoleView>,
}

impl From<Vec<rbac::Role>> for HeldRolesView {
    fn from(roles: Vec<rbac::Role>) -> Self {
        let view = |role: rbac::Role| {
            let rbac::Role { id, name, description, is_system: system, rank } = role;
            HeldRoleView { id, name, description, rank, system }
        };
        Self { roles: roles.into_iter().map(view).collect() }
    }
}

/// The roles of an account; needs `users:read`.
#[utoipa::path(get, path = "/api/users/{id}/roles", tag = "users", operation_id = "list_roles_of_user",
    params(("id" = UserId, Path, description = "The account.")), responses((status = 200, body = HeldRolesView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<UserId>,
) -> Result<Json<HeldRolesView>, ApiError> {
    let roles = rbac::roles_of(&hub, &caller, id).await.map_err(errors::rights)?;
    Ok(Json(roles.into()))
}
