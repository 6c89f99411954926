//! `PATCH /api/admin/providers/{name}/credentials/{label}`: weight, priority, on or off.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::providers::{self, CredentialChange};
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ProviderView;
use crate::errors;

/// What is to be changed; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CredentialPatch {
    /// Its part of the calls among the credentials of the same priority, 1 to 1000.
    weight: Option<u32>,
    /// Lower ones are tried first, 0 to 1000.
    priority: Option<i32>,
    /// Whether it is used.
    enabled: Option<bool>,
}

/// Changes a credential that was added here; needs `providers:update`. Its secret never changes: add another, then delete this one.
#[utoipa::path(patch, path = "/api/admin/providers/{name}/credentials/{label}", tag = "admin",
    operation_id = "update_provider_credential", request_body = CredentialPatch,
    params(("name" = String, Path), ("label" = String, Path)), responses((status = 200, body = ProviderView)))]
pub(crate) async fn update_credential(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path((name, label)): Path<(String, String)>,
    Json(body): Json<CredentialPatch>,
) -> Result<Json<ProviderView>, ApiError> {
    let CredentialPatch { weight, priority, enabled } = body;
    let change = CredentialChange { weight, priority, enabled };
    let changed = providers::update_credential(&hub, &caller, &origin, (&name, &label), change).await;
    changed.map_err(errors::providers)?;
    let provider = providers::of(&hub, &caller, &name).await.map_err(errors::providers)?;
    Ok(Json(provider.into()))
}
