//! `GET /api/admin/prices`: what the hub charges, has charged and will charge.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::pricing::{LongContext, PriceEntry, PriceState, PricesQuery as Asked, list as prices};
use hub_types::{Credits, PriceId, Timestamp};
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

/// One version of one model's price.
///
/// The fields of an entry stand here once more: the schema of an entry allows no others, so nothing can be added to it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PriceView {
    /// The version; receipts name it.
    id: PriceId,
    /// Service word of the provider that serves it.
    service: String,
    /// Model id.
    model: String,
    /// Credits per million prompt tokens.
    input: Credits,
    /// Credits per million prompt tokens read from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read: Option<Credits>,
    /// Credits per million prompt tokens written to a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write: Option<Credits>,
    /// Credits per million completion tokens.
    output: Credits,
    /// Credits per million hidden reasoning tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Credits>,
    /// Credits per call, whatever its length.
    request: Credits,
    /// Other prices for the whole call when its prompt is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    long_context: Option<LongContext>,
    /// Largest prompt in tokens, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_tokens: Option<i64>,
    /// Largest answer in tokens.
    max_output_tokens: i64,
    /// In force from here on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_from: Option<Timestamp>,
    /// Where the numbers come from: a page and its date.
    source: String,
}

impl PriceView {
    fn new(id: PriceId, price: PriceEntry) -> Self {
        let PriceEntry { service, model, input, cache_read, cache_write, output, reasoning, request, .. } = price;
        let PriceEntry { long_context, context_tokens, max_output_tokens, valid_from, source, .. } = price;
        Self {
            id,
            service,
            model,
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            request,
            long_context,
            context_tokens,
            max_output_tokens,
            valid_from,
            source,
        }
    }
}

/// A page of the price book.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PricesView {
    /// By service, model and start.
    prices: Vec<PriceView>,
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
    let prices = cut.items.iter().map(|price| PriceView::new(price.id, PriceEntry::from(&**price))).collect();
    Ok(Json(PricesView { prices, total, has_more: cut.has_more, next_cursor: cut.next_cursor }))
}
