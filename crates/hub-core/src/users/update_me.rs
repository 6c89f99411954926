//! `PATCH /api/users/me`: the caller's own name.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, users};
use hub_types::ErrorCode;
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::UserView;
use crate::errors;

/// What is to be different.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UpdateOwnUserBody {
    /// Display name; may be empty.
    #[schema(max_length = 100)]
    name: String,
}

/// Changes one's own name. Address and password have flows of their own under `/api/auth`. Needs a session: an API key cannot do this.
#[utoipa::path(patch, path = "/api/users/me", tag = "users", operation_id = "update_own_user", request_body = UpdateOwnUserBody,
    responses((status = 200, body = UserView)))]
pub(crate) async fn update_me(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<UpdateOwnUserBody>,
) -> Result<Json<UserView>, ApiError> {
    let changed = users::rename_own(&hub, &caller, &origin, &body.name).await.map_err(errors::rights)?;
    let needs_session = || ApiError::new(ErrorCode::Forbidden).message("An API key cannot do this; sign in instead");
    Ok(Json(changed.ok_or_else(needs_session)?.into()))
}
