//! `POST /api/keys/{id}/rotate`: the next key of a line. The answer holds it once.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use hub_domain::{Hub, keys};
use hub_types::{ApiKeyId, Timestamp};
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::KeyView;
use super::{refused, shown};

/// How to rotate.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RotateKeyBody {
    /// Seconds the old key goes on beside the new one: a day by default, at most 30 days; 0 ends it at once.
    #[serde(default)]
    #[schema(maximum = 2_592_000)]
    overlap_seconds: Option<u32>,
}

/// The new key and what becomes of the old one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RotatedKeyView {
    /// The new key itself; it cannot be shown again.
    key: String,
    /// Until when the old key works.
    #[schema(value_type = String, format = DateTime)]
    old_key_until: Timestamp,
    /// What stays visible of the new key.
    #[serde(flatten)]
    info: KeyView,
}

/// Replaces a key by a new one with the same name, rights, limits and end; needs `keys:update`, which no API key has. A key that was
/// replaced before, or has ended, is 409; so is one too many.
#[utoipa::path(post, path = "/api/keys/{id}/rotate", tag = "keys", operation_id = "rotate_key", request_body = RotateKeyBody,
    params(("id" = ApiKeyId, Path, description = "The key.")), responses((status = 201, body = RotatedKeyView)))]
pub(crate) async fn rotate(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<ApiKeyId>,
    Json(body): Json<RotateKeyBody>,
) -> Result<(StatusCode, [(http::HeaderName, &'static str); 1], Json<RotatedKeyView>), ApiError> {
    let rotated = keys::rotate(&hub, &caller, &origin, id, body.overlap_seconds).await.map_err(refused)?;
    let info = shown(&hub, &caller, rotated.made.info).await?;
    let view = RotatedKeyView { key: rotated.made.key, old_key_until: rotated.old_until, info };
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(view)))
}
