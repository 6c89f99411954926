//! `GET /api/promo-codes/{id}`: one promo code.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, promo};
use hub_types::PromoCodeId;
use hub_web::{ApiError, Authenticated, Json, Path};

use super::PromoView;
use crate::errors;

/// A promo code and how often it was redeemed; needs `promo:manage`.
#[utoipa::path(get, path = "/api/promo-codes/{id}", tag = "promo-codes", operation_id = "get_promo_code", params(("id" = PromoCodeId, Path)),
    responses((status = 200, body = PromoView)))]
pub(crate) async fn get(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<PromoCodeId>,
) -> Result<Json<PromoView>, ApiError> {
    Ok(Json(PromoView::from(promo::get(&hub, &caller, id).await.map_err(errors::promo)?)))
}
