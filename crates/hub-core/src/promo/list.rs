//! `GET /api/promo-codes`: promo codes, newest first.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::promo::{self, PromoQuery};
use hub_web::{ApiError, Authenticated, Cursor, Json, Page, PageQuery, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::PromoView;
use crate::errors;

/// Which codes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PromoFilter {
    /// Switched on, or off.
    active: Option<bool>,
    /// Made in this batch.
    batch: Option<String>,
    /// Stands in the code.
    q: Option<String>,
}

impl From<PromoFilter> for PromoQuery {
    fn from(filter: PromoFilter) -> Self {
        Self { active: filter.active, batch: filter.batch, text: filter.q }
    }
}

/// A page of codes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PromosView {
    /// The codes, newest first.
    promo_codes: Vec<PromoView>,
    /// How many fit in all.
    total: i64,
    /// True when older ones follow.
    has_more: bool,
    /// Where they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// The promo codes of the hub; needs `promo:manage`.
#[utoipa::path(get, path = "/api/promo-codes", tag = "promo-codes", operation_id = "list_promo_codes", params(PageQuery, PromoFilter),
    responses((status = 200, body = PromosView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
    Query(filter): Query<PromoFilter>,
) -> Result<Json<PromosView>, ApiError> {
    if page.offset.is_some() {
        return Err(ApiError::validation("offset", "is not supported here; use cursor"));
    }
    let found = promo::list(&hub, &caller, &filter.into(), page.after()?, i64::from(page.limit) + 1).await;
    let found = found.map_err(errors::promo)?;
    let cut = Page::cut(found.codes, page.limit, |promo| promo.id)?;
    let promo_codes = cut.items.into_iter().map(PromoView::from).collect();
    Ok(Json(PromosView { promo_codes, total: found.total, has_more: cut.has_more, next_cursor: cut.next_cursor }))
}
