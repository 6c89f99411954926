//! `GET /api/keys`: the caller's keys, newest first. Never a key itself.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::keys::{self, ApiKey};
use hub_types::{ApiKeyId, Timestamp};
use hub_web::{ApiError, Authenticated, Cursor, Json, Page, PageQuery};
use serde::Serialize;
use utoipa::ToSchema;

use super::refused;

/// What is shown of a key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKey)]
pub(crate) struct KeyView {
    /// Its id.
    pub(super) id: ApiKeyId,
    /// What its owner calls it.
    pub(super) name: String,
    /// The first characters of the key, to recognise it by.
    pub(super) prefix: String,
    /// Permissions it is narrowed to; empty means all of the owner's that a key may have.
    pub(super) scopes: Vec<String>,
    /// Models it may use; empty means all.
    pub(super) models: Vec<String>,
    /// Networks it may be used from; empty means anywhere.
    pub(super) addresses: Vec<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub(super) created_at: Timestamp,
    /// When it ends, if it does.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) expires_at: Option<Timestamp>,
    /// Last use, exact to about a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) last_used_at: Option<Timestamp>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes,
            models: key.models,
            addresses: key.addresses,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// A page of keys.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeysView {
    /// The keys.
    keys: Vec<KeyView>,
    /// Keys in all.
    total: i64,
    /// True when older keys follow.
    has_more: bool,
    /// Where they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// The caller's keys that were not revoked; needs `keys:read`, which no API key has.
#[utoipa::path(get, path = "/api/keys", tag = "keys", operation_id = "list_keys", params(PageQuery),
    responses((status = 200, body = KeysView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
) -> Result<Json<KeysView>, ApiError> {
    if page.offset.is_some() {
        return Err(ApiError::validation("offset", "is not supported here; use cursor"));
    }
    let rows =
        keys::list(&hub, &caller, page.after::<ApiKeyId>()?, i64::from(page.limit) + 1).await.map_err(refused)?;
    let total = keys::count(&hub, &caller).await.map_err(refused)?;
    let cut = Page::cut(rows, page.limit, |key| key.id)?;
    let keys = cut.items.into_iter().map(KeyView::from).collect();
    Ok(Json(KeysView { keys, total, has_more: cut.has_more, next_cursor: cut.next_cursor }))
}
