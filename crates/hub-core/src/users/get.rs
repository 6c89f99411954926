//! `GET /api/users/{id}`: one account.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, users};
use hub_types::UserId;
use hub_web::{ApiError, Authenticated, Json, Path};

use super::UserView;
use crate::errors;

/// One account, deleted or not; needs `users:read`.
#[utoipa::path(get, path = "/api/users/{id}", tag = "users", operation_id = "get_user",
    params(("id" = UserId, Path, description = "The account.")), responses((status = 200, body = UserView)))]
pub(crate) async fn get(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<UserId>,
) -> Result<Json<UserView>, ApiError> {
    let found = users::get(&hub, &caller, id).await.map_err(errors::rights)?;
    Ok(Json(found.into()))
}
