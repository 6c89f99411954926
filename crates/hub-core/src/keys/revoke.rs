//! `DELETE /api/keys/{id}`: takes a key back.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, keys};
use hub_types::ApiKeyId;
use hub_web::{ApiError, Authenticated, Path, RequestOrigin};

use super::refused;

/// Revokes one of the caller's keys; it stops working within two seconds. Needs `keys:delete`, which no API key has.
#[utoipa::path(delete, path = "/api/keys/{id}", tag = "keys", operation_id = "revoke_key",
    params(("id" = ApiKeyId, Path, description = "The key.")), responses((status = 204)))]
pub(crate) async fn revoke(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<ApiKeyId>,
) -> Result<StatusCode, ApiError> {
    keys::revoke(&hub, &caller, &origin, id).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}
