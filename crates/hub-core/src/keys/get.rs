//! `GET /api/keys/{id}`: one of the caller's keys.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, keys};
use hub_types::ApiKeyId;
use hub_web::{ApiError, Authenticated, Json, Path};

use super::view::KeyView;
use super::{refused, shown};

/// One of the caller's keys that was not revoked; needs `keys:read`, which no API key has.
#[utoipa::path(get, path = "/api/keys/{id}", tag = "keys", operation_id = "get_key",
    params(("id" = ApiKeyId, Path, description = "The key.")), responses((status = 200, body = KeyView)))]
pub(crate) async fn get(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<ApiKeyId>,
) -> Result<Json<KeyView>, ApiError> {
    let key = keys::get(&hub, &caller, id).await.map_err(refused)?;
    shown(&hub, &caller, key).await.map(Json)
}
