//! `/api/permissions`: the hub's own, and those made for other programs. One file per endpoint.

mod create;
mod delete;
mod list;
mod update;

use std::sync::Arc;

use hub_domain::Hub;
use hub_domain::rbac::{self, PermissionRow};
use hub_types::PermissionId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(create::create))
        .routes(routes!(update::update))
        .routes(routes!(delete::delete))
}

/// A permission.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Permission)]
pub(crate) struct PermissionView {
    /// Its id.
    id: PermissionId,
    /// `resource:action`.
    name: String,
    /// What it is about.
    resource: String,
    /// What may be done.
    action: String,
    /// What it is for.
    description: String,
    /// True for those that the hub's own rules ask for.
    system: bool,
}

impl From<PermissionRow> for PermissionView {
    fn from(row: PermissionRow) -> Self {
        let PermissionRow { id, name, resource, action, description } = row;
        Self { id, system: rbac::is_own(&name), name, resource, action, description }
    }
}
