//! `POST /api/users/{id}/restore`: takes a deletion back.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, users};
use hub_types::UserId;
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};

use super::UserView;
use crate::errors;

/// Restores a deleted account with its password, roles, keys and credits; sessions stay ended. An account that is not deleted is left as it
/// is. Needs `users:delete`.
#[utoipa::path(post, path = "/api/users/{id}/restore", tag = "users", operation_id = "restore_user",
    params(("id" = UserId, Path, description = "The account.")), responses((status = 200, body = UserView)))]
pub(crate) async fn restore(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<UserId>,
) -> Result<Json<UserView>, ApiError> {
    let restored = users::restore(&hub, &caller, &origin, id).await.map_err(errors::rights)?;
    Ok(Json(restored.into()))
}
