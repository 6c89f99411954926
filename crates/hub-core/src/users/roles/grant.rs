//! `POST /api/users/{id}/roles`: gives somebody a role.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::Hub;
use hub_domain::rbac::{self, RightsError};
use hub_types::UserId;
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::errors;

/// The role to give.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GrantRoleBody {
    /// Its name.
    role: String,
}

/// Gives a role; one that is held already changes nothing. Needs `roles:update`. Nobody gives what is above them or permits what they may not
/// do, nor to anybody above them, nor to themselves. Tokens of that account are renewed at their next refresh.
#[utoipa::path(post, path = "/api/users/{id}/roles", tag = "users", operation_id = "grant_role", request_body = GrantRoleBody,
    params(("id" = UserId, Path, description = "The account.")), responses((status = 204)))]
pub(crate) async fn grant(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<UserId>,
    Json(body): Json<GrantRoleBody>,
) -> Result<StatusCode, ApiError> {
    let done = rbac::assign_role(&hub, &caller, &origin, id, &body.role).await;
    done.map_err(|error| match error {
        RightsError::UnknownRole => ApiError::validation("role", "does not exist"),
        other => errors::rights(other),
    })?;
    Ok(StatusCode::NO_CONTENT)
}
