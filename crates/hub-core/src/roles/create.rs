//! `POST /api/roles`: makes a role.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::Hub;
use hub_domain::rbac::{self, NewRole};
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::RoleView;
use crate::errors;

/// The role asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateRoleBody {
    /// a-z, 0-9, - and _, beginning with a letter.
    #[schema(min_length = 1, max_length = 40)]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 300)]
    description: String,
    /// Place in the hierarchy; `user` has 10, `manager` 20, `admin` 100.
    #[schema(minimum = 0, maximum = 99)]
    rank: i32,
    /// Names of what it permits.
    #[serde(default)]
    permissions: Vec<String>,
}

/// Makes a role; needs `roles:create`. Its rank is below one's own, and it permits nothing that one may not do oneself.
#[utoipa::path(post, path = "/api/roles", tag = "roles", operation_id = "create_role", request_body = CreateRoleBody,
    responses((status = 201, body = RoleView)))]
pub(crate) async fn create(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<CreateRoleBody>,
) -> Result<(StatusCode, Json<RoleView>), ApiError> {
    let CreateRoleBody { name, description, rank, permissions } = body;
    let new = NewRole { name, description, rank, permissions };
    let made = rbac::create_role(&hub, &caller, &origin, new).await.map_err(errors::rights)?;
    Ok((StatusCode::CREATED, Json(made.into())))
}
