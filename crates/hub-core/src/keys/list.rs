//! `GET /api/keys`: the caller's keys, newest first. Never a key itself.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, keys};
use hub_types::ApiKeyId;
use hub_web::{ApiError, Authenticated, Cursor, Json, Page, PageQuery};
use serde::Serialize;
use utoipa::ToSchema;

use super::refused;
use super::view::KeyView;

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
    let budgets = keys::budgets(&hub, &caller, &cut.items).await.map_err(refused)?;
    let keys = cut.items.into_iter().map(|key| KeyView::of(key, &budgets)).collect();
    Ok(Json(KeysView { keys, total, has_more: cut.has_more, next_cursor: cut.next_cursor }))
}
