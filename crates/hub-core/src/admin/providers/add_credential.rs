//! `POST /api/admin/providers/{name}/credentials`: a credential added.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::Hub;
use hub_domain::providers::{self, NewCredential};
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ProviderView;
use crate::errors;

/// A credential.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CredentialBody {
    /// Your name for it, on receipts: 1 to 40 characters of a-z, 0-9, `-` and `_`.
    label: String,
    /// The provider's key. It is sealed and never shown again.
    #[schema(write_only)]
    secret: String,
    /// Its part of the calls among the credentials of the same priority, 1 to 1000.
    #[serde(default = "one")]
    #[schema(default = 1)]
    weight: u32,
    /// Lower ones are tried first, 0 to 1000.
    #[serde(default)]
    priority: i32,
}

const fn one() -> u32 {
    1
}

/// Adds a credential to a provider, also to one of the settings; needs `providers:update`. It is used by every process within a few
/// seconds, and only at the provider's present address.
#[utoipa::path(post, path = "/api/admin/providers/{name}/credentials", tag = "admin", operation_id = "add_provider_credential",
    request_body = CredentialBody, params(("name" = String, Path)), responses((status = 201, body = ProviderView)))]
pub(crate) async fn add_credential(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(name): Path<String>,
    Json(body): Json<CredentialBody>,
) -> Result<(StatusCode, Json<ProviderView>), ApiError> {
    let CredentialBody { label, secret, weight, priority } = body;
    let new = NewCredential { label, secret: secret.into(), weight, priority };
    providers::add_credential(&hub, &caller, &origin, &name, new).await.map_err(errors::providers)?;
    let provider = providers::of(&hub, &caller, &name).await.map_err(errors::providers)?;
    Ok((StatusCode::CREATED, Json(provider.into())))
}
