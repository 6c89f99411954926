//! `GET /api/users/me`: the caller's own account.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, users};
use hub_web::{ApiError, Authenticated, Json};

use super::UserView;
use crate::errors;

/// The account behind the credential.
#[utoipa::path(get, path = "/api/users/me", tag = "users", operation_id = "get_own_user",
    responses((status = 200, body = UserView)))]
pub(crate) async fn me(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<UserView>, ApiError> {
    let found = users::own(&hub, &caller).await.map_err(errors::rights)?;
    Ok(Json(found.into()))
}
