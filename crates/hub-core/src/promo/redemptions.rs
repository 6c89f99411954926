//! `GET /api/promo-codes/{id}/redemptions`: who redeemed a promo code, newest first.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::promo::{self, Redemption};
use hub_types::{Credits, PromoCodeId, Timestamp, TransactionId, UserId};
use hub_web::{ApiError, Authenticated, Cursor, Json, Page, PageQuery, Path};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors;

/// One redemption.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedemptionView {
    /// Who.
    user_id: UserId,
    /// 1 for this person's first use of the code.
    use_number: i32,
    /// What it gave.
    credits: Credits,
    /// The row in that account's history.
    transaction_id: TransactionId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    redeemed_at: Timestamp,
}

impl From<Redemption> for RedemptionView {
    fn from(one: Redemption) -> Self {
        Self {
            user_id: one.user_id,
            use_number: one.use_number,
            credits: one.credits,
            transaction_id: one.transaction_id,
            redeemed_at: one.redeemed_at,
        }
    }
}

/// A page of redemptions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedemptionsView {
    /// The redemptions, newest first.
    redemptions: Vec<RedemptionView>,
    /// True when older ones follow.
    has_more: bool,
    /// Where they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// Who redeemed a promo code; needs `promo:manage`.
#[utoipa::path(get, path = "/api/promo-codes/{id}/redemptions", tag = "promo-codes", operation_id = "list_redemptions",
    params(("id" = PromoCodeId, Path), PageQuery), responses((status = 200, body = RedemptionsView)))]
pub(crate) async fn redemptions(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<PromoCodeId>,
    page: PageQuery,
) -> Result<Json<RedemptionsView>, ApiError> {
    if page.offset.is_some() {
        return Err(ApiError::validation("offset", "is not supported here; use cursor"));
    }
    let rows = promo::redemptions(&hub, &caller, id, page.after()?, i64::from(page.limit) + 1).await;
    let cut = Page::cut(rows.map_err(errors::promo)?, page.limit, |row| row.transaction_id)?;
    let redemptions = cut.items.into_iter().map(RedemptionView::from).collect();
    Ok(Json(RedemptionsView { redemptions, has_more: cut.has_more, next_cursor: cut.next_cursor }))
}
