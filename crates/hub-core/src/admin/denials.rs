//! `GET /api/admin/denials/{requestId}`: why a request was turned away.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::denials::{self, DenialError};
use hub_types::{ErrorCode, Timestamp, UserId};
use hub_web::{ApiError, Authenticated, Json, Path};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// When a caller may try again while the cache is away.
const RETRY: std::time::Duration = std::time::Duration::from_secs(2);

/// A request that was turned away.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DenialView {
    /// The request.
    request_id: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Whose credential, where it is known; a request over its limit per minute is refused before that is asked.
    user_id: Option<UserId>,
    /// The code in the answer.
    code: String,
    /// The sentence in the answer.
    message: String,
    /// The permission that was lacking, where that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<String>,
    /// Which gate refused, and its numbers at that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    details: Option<Value>,
}

/// Why a request was answered 402, 403 or 429 within the last day; needs `audit:read`. The id is the answer's `x-request-id`. At most 60
/// such requests a minute are remembered per account, and none in WebSockets.
#[utoipa::path(get, path = "/api/admin/denials/{requestId}", tag = "admin", operation_id = "get_denial",
    params(("requestId" = String, Path, description = "The request.")), responses((status = 200, body = DenialView)))]
pub(crate) async fn get(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(request_id): Path<String>,
) -> Result<Json<DenialView>, ApiError> {
    let denial = denials::find(&hub, &caller, &request_id).await.map_err(refused)?;
    Ok(Json(DenialView {
        request_id,
        at: denial.at,
        user_id: denial.user,
        code: denial.code,
        message: denial.message,
        permission: denial.permission,
        details: denial.details,
    }))
}

fn refused(error: DenialError) -> ApiError {
    match error {
        DenialError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        DenialError::NotFound => ApiError::not_found("Denial"),
        DenialError::Cache(error) => ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error),
    }
}
