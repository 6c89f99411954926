//! `/api/roles`: what accounts may do, in bundles. One file per endpoint.

mod add_permissions;
mod create;
mod delete;
mod get;
mod list;
mod remove_permission;
mod set_permissions;
mod update;

use std::sync::Arc;

use hub_domain::Hub;
use hub_domain::rbac::Overview;
use hub_types::RoleId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(create::create))
        .routes(routes!(get::get))
        .routes(routes!(update::update))
        .routes(routes!(delete::delete))
        .routes(routes!(set_permissions::set_permissions))
        .routes(routes!(add_permissions::add_permissions))
        .routes(routes!(remove_permission::remove_permission))
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Role)]
pub(crate) struct RoleView {
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
    /// Names of everything it permits, sorted.
    permissions: Vec<String>,
    /// Accounts that hold it, deleted ones included.
    holders: i64,
}

impl From<Overview> for RoleView {
    fn from(found: Overview) -> Self {
        let Overview { role, permissions, holders } = found;
        let (id, name, description) = (role.id, role.name, role.description);
        Self { id, name, description, rank: role.rank, system: role.is_system, permissions, holders }
    }
}

/// Permissions of a role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PermissionsBody {
    /// Their names.
    permissions: Vec<String>,
}
