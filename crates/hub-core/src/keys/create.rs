//! `POST /api/keys`: makes a key. The answer holds it once.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use hub_domain::Hub;
use hub_domain::keys::{self, NewKey};
use hub_types::{Budget, KeyLimits, Timestamp};
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::KeyView;
use super::{refused, shown};

/// The key asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateKeyBody {
    /// What to call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Permissions to narrow it to; only such as the caller has. Empty means all of them but those over people, roles and promo codes
    /// (`users:…`, `roles:…`, `promo:…`), which a key holds only when they are named. No key holds `keys:…`, `users:impersonate` or
    /// `providers:update`.
    #[serde(default)]
    scopes: Vec<String>,
    /// When it shall end.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Models it may use; empty means all.
    #[serde(default)]
    models: Vec<String>,
    /// Addresses or networks such as `192.0.2.0/24` it may be used from; empty means anywhere.
    #[serde(default)]
    addresses: Vec<String>,
    /// What it may spend per day, month (UTC) or in all.
    #[serde(default)]
    budget: Option<Budget>,
    /// Requests in any 60 seconds.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000)]
    requests_per_minute: Option<u32>,
    /// Tokens of model calls in any 60 seconds, prompt and answer.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    tokens_per_minute: Option<u32>,
    /// Model calls at the same time.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000)]
    concurrent_calls: Option<u32>,
}

/// The new key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedKeyView {
    /// The key itself; it cannot be shown again.
    key: String,
    /// What stays visible of it.
    #[serde(flatten)]
    info: KeyView,
}

/// Makes an API key; needs `keys:create`, which no API key has.
#[utoipa::path(post, path = "/api/keys", tag = "keys", operation_id = "create_key", request_body = CreateKeyBody,
    responses((status = 201, body = CreatedKeyView)))]
pub(crate) async fn create(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<CreateKeyBody>,
) -> Result<(StatusCode, [(http::HeaderName, &'static str); 1], Json<CreatedKeyView>), ApiError> {
    let input = NewKey {
        name: body.name,
        scopes: body.scopes,
        expires_at: body.expires_at,
        models: body.models,
        addresses: body.addresses,
        limits: KeyLimits {
            budget: body.budget,
            requests_per_minute: body.requests_per_minute,
            tokens_per_minute: body.tokens_per_minute,
            concurrent_calls: body.concurrent_calls,
        },
    };
    let made = keys::create(&hub, &caller, &origin, input).await.map_err(refused)?;
    let view = CreatedKeyView { key: made.key, info: shown(&hub, &caller, made.info).await? };
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(view)))
}
