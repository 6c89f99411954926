//! `PUT /api/admin/providers/{name}`: a provider added, or written anew.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::Hub;
use hub_domain::inference::{Dialect, ProviderKind, Wire};
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
    /// Not for `anthropic`: the wires it speaks for all its models, `chat` or `responses` among them, each once; calls of the
    /// others are carried as chat, or as responses where chat is not among them.
    /// When absent what OpenAI speaks for `openai` (`responses`, and `completions` for its older models), only `chat` for `compatible`.
    #[schema(min_items = 1, max_items = 3)]
    wires: Option<Vec<Wire>>,
    /// Not for `anthropic`: types of tools in `/v1/responses` that it may run itself, such as `web_search`; 1 to 64 of a-z, 0-9 and `_`. Each
    /// use has a fee that no member pays: it is the operator's. None when absent.
    #[schema(max_items = 20)]
    hosted_tools: Option<Vec<String>>,
}

/// Adds a provider (201) or writes it anew (200), and what is absent becomes what is usual; needs `providers:update`. The name is 1 to 40 characters of a-z, 0-9, `-` and `_`. While
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
    let ProviderBody { kind, base_url, service, priority, wires, hosted_tools } = body;
    let dialect = Dialect { wires, hosted_tools: hosted_tools.unwrap_or_default() };
    let new = NewProvider { kind, base_url, service, priority, dialect };
    let created = providers::put(&hub, &caller, &origin, &name, new).await.map_err(errors::providers)?;
    let provider = providers::of(&hub, &caller, &name).await.map_err(errors::providers)?;
    Ok((if created { StatusCode::CREATED } else { StatusCode::OK }, Json(provider.into())))
}
