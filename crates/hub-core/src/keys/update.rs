//! `PATCH /api/keys/{id}`: changes a key and its line.

#![expect(clippy::option_option, reason = "in a PATCH a value, `null` and nothing are three things")]

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::keys::{self, KeyChange};
use hub_types::{ApiKeyId, Budget, Timestamp};
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::KeyView;
use super::{refused, shown};
use crate::patch;

/// What to change. A field that is not there stays as it is; `null` takes a limit or an end away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UpdateKeyBody {
    /// What to call it.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// When this key shall end.
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
    /// Permissions to narrow the line to; only such as the caller has.
    scopes: Option<Vec<String>>,
    /// Models the line may use; empty means all.
    models: Option<Vec<String>>,
    /// Networks the line may be used from; empty means anywhere.
    addresses: Option<Vec<String>>,
    /// What the line may spend. What was spent in the current period still counts.
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(value_type = Option<Budget>)]
    budget: Option<Option<Budget>>,
    /// Requests of the line in any 60 seconds.
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    requests_per_minute: Option<Option<u32>>,
    /// Tokens of the line in any 60 seconds, prompt and answer.
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000_000)]
    tokens_per_minute: Option<Option<u32>>,
    /// Model calls of the line at the same time.
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000)]
    concurrent_calls: Option<Option<u32>>,
}

/// Changes one of the caller's keys; acts within two seconds. Name and end are this key's; the rest holds for its whole line. Needs
/// `keys:update`, which no API key has. A key that was replaced or has ended is 409.
#[utoipa::path(patch, path = "/api/keys/{id}", tag = "keys", operation_id = "update_key", request_body = UpdateKeyBody,
    params(("id" = ApiKeyId, Path, description = "The key.")), responses((status = 200, body = KeyView)))]
pub(crate) async fn update(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<ApiKeyId>,
    Json(body): Json<UpdateKeyBody>,
) -> Result<Json<KeyView>, ApiError> {
    let change = KeyChange {
        name: body.name,
        expires_at: body.expires_at,
        scopes: body.scopes,
        models: body.models,
        addresses: body.addresses,
        budget: body.budget,
        requests_per_minute: body.requests_per_minute,
        tokens_per_minute: body.tokens_per_minute,
        concurrent_calls: body.concurrent_calls,
    };
    let key = keys::update(&hub, &caller, &origin, id, change).await.map_err(refused)?;
    shown(&hub, &caller, key).await.map(Json)
}
