//! `PUT /api/admin/providers/{name}`: a provider added, or written anew.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::Hub;
use hub_domain::inference::ProviderKind;
use hub_domain::providers::{self, NewProvider};
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ProviderView;
use crate::errors;

/// A provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProviderBody {
    /// `openai`, `anthropic`, or `compatible` for any other server that speaks OpenAI's chat protocol.
    kind: ProviderKind,
    /// Everything before `/chat/completions` or `/v1/messages`; needed for `compatible`. An https address outside the hub's own network,
    /// unless `inference.providers_at_private_addresses` is set.
    base_url: Option<String>,
    /// The word under which its models have prices; `openai`, `claude` or the name when absent.
    service: Option<String>,
    /// Lower ones are tried first, 0 to 1000; 100 when absent.
    priority: Option<i32>,
}

/// Adds a provider (201) or writes it anew (200); needs `providers:update`. The name is 1 to 40 characters of a-z, 0-9, `-` and `_`. While
/// it has credentials its address and kind cannot change (409), because they were given for these.
#[utoipa::path(put, path = "/api/admin/providers/{name}", tag = "admin", operation_id = "put_provider", request_body = ProviderBody,
    params(("name" = String, Path)), responses((status = 200, body = ProviderView), (status = 201, body = ProviderView)))]
pub(crate) async fn put(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(name): Path<String>,
    Json(body): Json<ProviderBody>,
) -> Result<(StatusCode, Json<ProviderView>), ApiError> {
    let ProviderBody { kind, base_url, service, priority } = body;
    let new = NewProvider { kind, base_url, service, priority };
    let created = providers::put(&hub, &caller, &origin, &name, new).await.map_err(errors::providers)?;
    let provider = providers::of(&hub, &caller, &name).await.map_err(errors::providers)?;
    Ok((if created { StatusCode::CREATED } else { StatusCode::OK }, Json(provider.into())))
}
