//! `GET /api/usage/logs`: the calls, newest first.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::usage::{Call, LogQuery, Position};
use hub_domain::{Hub, usage};
use hub_types::{ApiKeyId, Credits, Timestamp, TokenUsage, UsageId, UserId};
use hub_web::{ApiError, Authenticated, Cursor, Json, Page, PageQuery, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::UsageQuery;
use super::refused;

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatusQuery {
    /// `completed`, `cancelled`, `failed` or `expired`.
    pub(crate) status: Option<String>,
}

/// One call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallView {
    /// Its id; `GET /api/credits/receipts/{id}` explains what it cost.
    id: UsageId,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Who called.
    user_id: UserId,
    /// Their address, also after their account was deleted.
    user_email: Option<String>,
    /// True when their account was deleted.
    user_deleted: bool,
    /// With which key; null from a session.
    key_id: Option<ApiKeyId>,
    /// What the key is called, also after it was taken back.
    key_name: Option<String>,
    /// True when the key was taken back.
    key_revoked: bool,
    /// The request; the log holds the same id.
    request_id: String,
    /// `chat`, `completion`, `embedding`, …
    kind: String,
    /// The route called.
    route: String,
    /// Service word.
    service: String,
    /// Provider that answered.
    provider: String,
    /// Model as asked for.
    model: String,
    /// Tokens of all classes.
    tokens: i64,
    /// Tokens by class.
    usage: TokenUsage,
    /// Who counted them.
    usage_source: String,
    /// What was charged.
    credits: Credits,
    /// `completed`, `cancelled`, `failed` or `expired`.
    status: String,
    /// Calls made to providers.
    attempts: i32,
    /// From request to end, in milliseconds.
    latency_ms: i64,
    /// From request to the first byte of the answer, in milliseconds.
    first_token_ms: Option<i64>,
}

impl From<Call> for CallView {
    fn from(call: Call) -> Self {
        Self {
            id: call.id,
            created_at: call.at,
            user_id: call.user,
            user_email: call.email,
            user_deleted: call.user_deleted,
            key_id: call.key,
            key_name: call.key_name,
            key_revoked: call.key_revoked,
            request_id: call.request_id,
            kind: call.kind,
            route: call.route,
            service: call.service,
            provider: call.provider,
            model: call.model,
            tokens: call.tokens.prompt().saturating_add(call.tokens.completion()),
            usage: call.tokens,
            usage_source: call.usage_source,
            credits: call.credits,
            status: call.status,
            attempts: call.attempts,
            latency_ms: call.latency_ms,
            first_token_ms: call.first_token_ms,
        }
    }
}

/// A page of calls.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogsView {
    /// The calls, newest first.
    logs: Vec<CallView>,
    /// True when older calls follow.
    has_more: bool,
    /// Where they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// The calls one may see, newest first, page by page at any depth. Calls that come in meanwhile do not shift the pages.
#[utoipa::path(get, path = "/api/usage/logs", tag = "usage", operation_id = "usage_logs", params(PageQuery, StatusQuery, UsageQuery),
    responses((status = 200, body = LogsView)))]
pub(crate) async fn logs(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
    Query(query): Query<UsageQuery>,
    Query(status): Query<StatusQuery>,
) -> Result<Json<LogsView>, ApiError> {
    if page.offset.is_some() {
        return Err(ApiError::validation("offset", "is not supported here; use cursor"));
    }
    let (scope, asked) = query.split()?;
    let query = LogQuery { scope, asked, status: status.status };
    let before = page.after::<Position>()?;
    let calls = usage::logs(&hub, &caller, &query, before, i64::from(page.limit) + 1).await.map_err(refused)?;
    let cut = Page::cut(calls, page.limit, |call| (call.at, call.id))?;
    let logs = cut.items.into_iter().map(CallView::from).collect();
    Ok(Json(LogsView { logs, has_more: cut.has_more, next_cursor: cut.next_cursor }))
}
