//! `POST /api/permissions`: makes a permission for another program.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, rbac};
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::PermissionView;
use crate::errors;

/// The permission asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreatePermissionBody {
    /// `resource:action`; the resource is none of the hub's own.
    #[schema(max_length = 81)]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 300)]
    description: String,
}

/// Makes a permission, which `admin` holds at once; administrators only, with `roles:create`.
#[utoipa::path(post, path = "/api/permissions", tag = "roles", operation_id = "create_permission",
    request_body = CreatePermissionBody, responses((status = 201, body = PermissionView)))]
pub(crate) async fn create(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<CreatePermissionBody>,
) -> Result<(StatusCode, Json<PermissionView>), ApiError> {
    let made = rbac::create_permission(&hub, &caller, &origin, &body.name, &body.description).await;
    Ok((StatusCode::CREATED, Json(made.map_err(errors::rights)?.into())))
}
