//! `POST /api/promo-codes`: one promo code.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::Hub;
use hub_domain::promo::{self, NewPromo, Rules, Terms};
use hub_types::{Credits, Timestamp};
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::PromoView;
use crate::errors;

/// A code to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PromoBody {
    /// 4 to 40 letters, digits, hyphens or underscores; case does not matter. Without this a code is made up that nobody guesses.
    code: Option<String>,
    /// What one redemption gives; above zero.
    credits: Credits,
    /// Redemptions in all; absent for no limit.
    max_uses: Option<i32>,
    /// Redemptions per person.
    #[serde(default = "one")]
    #[schema(default = 1)]
    max_uses_per_user: i32,
    /// Not before.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Timestamp>,
    /// Before, exclusive.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Days the credits live, 1 to 3650; absent for ever.
    credits_expire_days: Option<i32>,
    /// One of these roles is needed; empty admits everybody.
    #[serde(default)]
    roles: Vec<String>,
    /// A proven e-mail address in one of these domains is needed; empty admits everybody.
    #[serde(default)]
    domains: Vec<String>,
}

fn one() -> i32 {
    1
}

/// Makes a promo code; needs `promo:manage`. One that exists is 409.
#[utoipa::path(post, path = "/api/promo-codes", tag = "promo-codes", operation_id = "create_promo_code", request_body = PromoBody,
    responses((status = 201, body = PromoView)))]
pub(crate) async fn create(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<PromoBody>,
) -> Result<(StatusCode, Json<PromoView>), ApiError> {
    let terms = Terms {
        credits: body.credits,
        starts_at: body.starts_at,
        expires_at: body.expires_at,
        credits_expire_days: body.credits_expire_days,
        rules: Rules { roles: body.roles, domains: body.domains },
    };
    let new = NewPromo { code: body.code, terms, max_uses: body.max_uses, max_uses_per_user: body.max_uses_per_user };
    let made = promo::create(&hub, &caller, &origin, new).await.map_err(errors::promo)?;
    Ok((StatusCode::CREATED, Json(PromoView::from(made))))
}
