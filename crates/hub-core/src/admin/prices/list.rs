//! `GET /api/admin/prices`: what the hub charges, has charged and will charge.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::pricing::{Price, PriceEntry, PriceState, PricesQuery as Asked, list as prices};
use hub_types::PriceId;
use hub_web::{ApiError, Authenticated, Cursor, Json, Page, PageQuery, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::errors;

/// Which prices.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PricesQuery {
    /// Only this service, such as `openai`.
    service: Option<String>,
    /// Only this model.
    model: Option<String>,
    /// `current` (also without this), `future`, or `all` for every version there ever was.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    state: PriceState,
}

/// A page of the price book.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PricesView {
    /// By service, model and start; each as `POST` takes it.
    prices: Vec<PriceEntry>,
    /// Prices in all.
    total: usize,
    /// True when more follow.
    has_more: bool,
    /// Where they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// The price book; needs `prices:update`.
#[utoipa::path(get, path = "/api/admin/prices", tag = "admin", operation_id = "list_prices", params(PageQuery, PricesQuery),
    responses((status = 200, body = PricesView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
    Query(query): Query<PricesQuery>,
) -> Result<Json<PricesView>, ApiError> {
    if page.offset.is_some() {
        return Err(ApiError::validation("offset", "is not supported here; use cursor"));
    }
    let asked = Asked { service: query.service, model: query.model, state: query.state };
    let all = prices(&hub, &caller, &asked).map_err(|denied| errors::credits(denied.into()))?;
    let total = all.len();
    let after = page.after::<PriceId>()?;
    let start = after.and_then(|id| all.iter().position(|price| price.id == id)).map_or(0, |index| index + 1);
    let most = usize::try_from(page.limit).unwrap_or(usize::MAX).saturating_add(1);
    let rows: Vec<_> = all.into_iter().skip(start).take(most).collect();
    let cut = Page::cut(rows, page.limit, |price| price.id)?;
    let entry = |price: &Arc<Price>| PriceEntry { id: Some(price.id), ..PriceEntry::from(&**price) };
    let prices = cut.items.iter().map(entry).collect();
    Ok(Json(PricesView { prices, total, has_more: cut.has_more, next_cursor: cut.next_cursor }))
}
