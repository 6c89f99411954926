//! `GET /api/admin/providers`: all providers and their credentials.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, providers};
use hub_web::{ApiError, Authenticated, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::ProviderView;
use crate::errors;

/// The providers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProvidersView {
    /// Best first.
    providers: Vec<ProviderView>,
}

/// Every provider, of the settings and of the database, with its credentials, models and state; needs `providers:update`.
#[utoipa::path(get, path = "/api/admin/providers", tag = "admin", operation_id = "list_providers",
    responses((status = 200, body = ProvidersView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<ProvidersView>, ApiError> {
    let all = providers::list(&hub, &caller).await.map_err(errors::providers)?;
    Ok(Json(ProvidersView { providers: all.into_iter().map(ProviderView::from).collect() }))
}
