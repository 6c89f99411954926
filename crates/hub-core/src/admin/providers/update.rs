//! `PATCH /api/admin/providers/{name}`: a provider switched on or off, its priority, its ceilings, what it speaks.

#![expect(clippy::option_option, reason = "in a PATCH a value, `null` and nothing are three things")]

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::inference::Wire;
use hub_domain::providers::{self, ProviderChange};
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ProviderView;
use crate::{errors, patch};

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
    /// Not for `anthropic`: the wires it speaks for all its models, `chat` or `responses` among them, each once; calls of the
    /// others are carried as chat, or as responses where chat is not among them.
    /// `null`: as the settings say, and else what is usual of its kind.
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(value_type = Option<Vec<Wire>>, min_items = 1, max_items = 3)]
    wires: Option<Option<Vec<Wire>>>,
    /// Not for `anthropic`: types of tools in `/v1/responses` that it may run itself; 1 to 64 of a-z, 0-9 and `_`. Their fees are the
    /// operator's. `null`: as the settings say, and else none.
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 20)]
    hosted_tools: Option<Option<Vec<String>>>,
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
    let change = ProviderChange {
        enabled: body.enabled,
        priority: body.priority,
        max_concurrent: body.max_concurrent,
        requests_per_minute: body.requests_per_minute,
        tokens_per_minute: body.tokens_per_minute,
        wires: body.wires,
        hosted_tools: body.hosted_tools,
    };
    providers::update(&hub, &caller, &origin, &name, change).await.map_err(errors::providers)?;
    let provider = providers::of(&hub, &caller, &name).await.map_err(errors::providers)?;
    Ok(Json(provider.into()))
}
