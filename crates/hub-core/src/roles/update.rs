//! `PATCH /api/roles/{id}`: renames, describes or ranks a role.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::rbac::{self, RoleChange};
use hub_types::RoleId;
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::RoleView;
use crate::errors;

/// What is to be different; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UpdateRoleBody {
    /// Another name; not for the four that every hub has.
    #[schema(min_length = 1, max_length = 40)]
    name: Option<String>,
    /// What it is for.
    #[schema(max_length = 300)]
    description: Option<String>,
    /// Another rank; not for the four that every hub has.
    #[schema(minimum = 0, maximum = 99)]
    rank: Option<i32>,
}

/// Changes a role below one's own rank; needs `roles:update`.
#[utoipa::path(patch, path = "/api/roles/{id}", tag = "roles", operation_id = "update_role", request_body = UpdateRoleBody,
    params(("id" = RoleId, Path, description = "The role.")), responses((status = 200, body = RoleView)))]
pub(crate) async fn update(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<RoleId>,
    Json(body): Json<UpdateRoleBody>,
) -> Result<Json<RoleView>, ApiError> {
    let change = RoleChange { name: body.name, description: body.description, rank: body.rank };
    let changed = rbac::change_role(&hub, &caller, &origin, id, change).await.map_err(errors::rights)?;
    Ok(Json(changed.into()))
}
