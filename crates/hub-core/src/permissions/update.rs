//! `PATCH /api/permissions/{id}`: describes a permission.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, rbac};
use hub_types::PermissionId;
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::PermissionView;
use crate::errors;

/// What is to be different.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UpdatePermissionBody {
    /// What it is for.
    #[schema(max_length = 300)]
    description: String,
}

/// Describes a permission that is none of the hub's own; administrators only, with `roles:update`.
#[utoipa::path(patch, path = "/api/permissions/{id}", tag = "roles", operation_id = "update_permission",
    request_body = UpdatePermissionBody, params(("id" = PermissionId, Path, description = "The permission.")),
    responses((status = 200, body = PermissionView)))]
pub(crate) async fn update(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<PermissionId>,
    Json(body): Json<UpdatePermissionBody>,
) -> Result<Json<PermissionView>, ApiError> {
    let changed = rbac::describe_permission(&hub, &caller, &origin, id, &body.description).await;
    Ok(Json(changed.map_err(errors::rights)?.into()))
}
