//! `POST /api/promo-codes/batches/codes`: many promo codes for one use each.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::Hub;
use hub_domain::promo::{self, NewBatch, Rules, Terms};
use hub_types::{Credits, Timestamp};
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::errors;

/// Codes to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BatchBody {
    /// What the codes begin with: 4 to 16 letters, digits, hyphens or underscores. Finds them again.
    #[schema(min_length = 4, max_length = 16)]
    batch: String,
    /// How many.
    #[schema(minimum = 1, maximum = 10000)]
    count: u32,
    /// What each gives; above zero.
    credits: Credits,
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

/// The codes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchView {
    /// The batch, in capitals.
    batch: Option<String>,
    /// How many.
    count: usize,
    /// The codes. `export.csv?batch=` gives them again.
    codes: Vec<String>,
}

/// Makes up to 10 000 promo codes for one use each, all or none; needs `promo:manage`.
#[utoipa::path(post, path = "/api/promo-codes/batches/codes", tag = "promo-codes", operation_id = "create_promo_batch", request_body = BatchBody,
    responses((status = 201, body = BatchView)))]
pub(crate) async fn create_batch(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<BatchBody>,
) -> Result<(StatusCode, Json<BatchView>), ApiError> {
    let terms = Terms {
        credits: body.credits,
        starts_at: body.starts_at,
        expires_at: body.expires_at,
        credits_expire_days: body.credits_expire_days,
        rules: Rules { roles: body.roles, domains: body.domains },
    };
    let new = NewBatch { batch: body.batch, count: body.count, terms };
    let made = promo::create_batch(&hub, &caller, &origin, new).await.map_err(errors::promo)?;
    let batch = made.first().and_then(|first| first.batch.clone());
    let codes: Vec<String> = made.into_iter().map(|promo| promo.code).collect();
    Ok((StatusCode::CREATED, Json(BatchView { batch, count: codes.len(), codes })))
}
