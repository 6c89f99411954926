//! `PATCH /api/admin/providers/{name}`: a provider switched on or off, its priority and ceilings.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::providers::{self, ProviderChange};
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ProviderView;
use crate::errors;

/// What is to be changed; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProviderPatch {
    /// Whether it is used.
    enabled: Option<bool>,
    /// Lower ones are tried first, 0 to 1000.
    priority: Option<i32>,
    /// Calls at the same time; 0 lifts the ceiling.
    max_concurrent: Option<u32>,
    /// Calls in any 60 seconds; 0 lifts the ceiling.
    requests_per_minute: Option<u32>,
    /// Tokens in any 60 seconds; 0 lifts the ceiling.
    tokens_per_minute: Option<u32>,
}

/// Changes a provider, also one of the settings; needs `providers:update`. Acts in every process within a few seconds; running calls are
/// not touched.
#[utoipa::path(patch, path = "/api/admin/providers/{name}", tag = "admin", operation_id = "update_provider",
    request_body = ProviderPatch, params(("name" = String, Path)), responses((status = 200, body = ProviderView)))]
pub(crate) async fn update(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(name): Path<String>,
    Json(body): Json<ProviderPatch>,
) -> Result<Json<ProviderView>, ApiError> {
    let ProviderPatch { enabled, priority, max_concurrent, requests_per_minute, tokens_per_minute } = body;
    let change = ProviderChange { enabled, priority, max_concurrent, requests_per_minute, tokens_per_minute };
    providers::update(&hub, &caller, &origin, &name, change).await.map_err(errors::providers)?;
    let provider = providers::of(&hub, &caller, &name).await.map_err(errors::providers)?;
    Ok(Json(provider.into()))
}
