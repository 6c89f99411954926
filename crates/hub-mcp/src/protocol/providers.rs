//! `GET /api/mcp/providers`: who answers model calls, and who is left alone now.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::inference::{self, ProviderState};
use hub_types::Timestamp;
use hub_web::{ApiError, Authenticated, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors;

/// The providers, best first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderStatesView {
    /// One entry for each provider and credential.
    providers: Vec<ProviderStateView>,
}

/// One provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProviderStateView {
    /// The operator's name for it.
    name: String,
    /// Service word of its models.
    service: String,
    /// The operator's name for the credential; absent where it has just one.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    /// `closed`: it is called. `open`: it failed and is left alone. `half_open`: the next call finds out.
    breaker: &'static str,
    /// When an open breaker lets one call try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    open_until: Option<Timestamp>,
    /// It limits our rate and gets no calls until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    paused_until: Option<Timestamp>,
    /// Calls of the last half minute that say something about it, as the answering process saw them.
    recent_calls: u32,
    /// How many of them failed.
    recent_failures: u32,
}

impl From<ProviderState> for ProviderStateView {
    fn from(provider: ProviderState) -> Self {
        Self {
            name: provider.name,
            service: provider.service,
            credential: provider.credential,
            breaker: provider.breaker.state,
            open_until: provider.breaker.until,
            paused_until: provider.paused_until,
            recent_calls: provider.breaker.calls,
            recent_failures: provider.breaker.failures,
        }
    }
}

/// How the providers stand; needs `models:read`.
#[utoipa::path(get, path = "/api/mcp/providers", tag = "mcp", operation_id = "list_provider_states",
    responses((status = 200, body = ProviderStatesView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<ProviderStatesView>, ApiError> {
    let providers = inference::providers(&hub, &caller).await.map_err(errors::inference)?;
    Ok(Json(ProviderStatesView { providers: providers.into_iter().map(ProviderStateView::from).collect() }))
}
