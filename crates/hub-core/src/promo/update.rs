//! `PATCH /api/promo-codes/{id}`: a promo code switched on or off, its dates, more uses.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::promo::{self, Change, PromoUpdate};
use hub_types::{PromoCodeId, Timestamp};
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::PromoView;
use crate::errors;

/// What is to be changed; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PromoPatch {
    /// On or off.
    active: Option<bool>,
    /// Not before; `null` lifts it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Change<Timestamp>,
    /// Before, exclusive; `null` lifts it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Change<Timestamp>,
    /// Redemptions in all, never fewer than before; `null` lifts the limit.
    #[serde(default)]
    #[schema(value_type = Option<i32>)]
    max_uses: Change<i32>,
}

/// Changes a promo code; needs `promo:manage`. What it gives and to whom never changes.
#[utoipa::path(patch, path = "/api/promo-codes/{id}", tag = "promo-codes", operation_id = "update_promo_code", request_body = PromoPatch,
    params(("id" = PromoCodeId, Path)), responses((status = 200, body = PromoView)))]
pub(crate) async fn update(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<PromoCodeId>,
    Json(body): Json<PromoPatch>,
) -> Result<Json<PromoView>, ApiError> {
    let PromoPatch { active, starts_at, expires_at, max_uses } = body;
    let change = PromoUpdate { active, starts_at, expires_at, max_uses };
    let new = promo::update(&hub, &caller, &origin, id, change).await.map_err(errors::promo)?;
    Ok(Json(PromoView::from(new)))
}
