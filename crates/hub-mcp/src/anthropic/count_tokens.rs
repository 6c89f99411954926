//! `POST /v1/messages/count_tokens`: how many tokens a prompt has. Free.

use std::sync::Arc;

use axum::extract::State;
use http::HeaderMap;
use hub_domain::Hub;
use hub_domain::inference::{self, MessagesRequest};
use hub_web::{ApiError, Authenticated, Json, JsonBytes, RequestId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors;

/// A count in Anthropic's form.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenCount {
    /// Prompt tokens.
    input_tokens: i64,
}

/// Counts the tokens of a prompt: as the provider counts them where it can be asked, else by estimate.
#[utoipa::path(post, path = "/v1/messages/count_tokens", tag = "anthropic", operation_id = "count_message_tokens",
    request_body = Object, responses((status = 200, body = TokenCount)))]
pub(crate) async fn count_tokens(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Json<TokenCount>, ApiError> {
    let request = super::read(&headers, body, MessagesRequest::parse_for_count)?.into();
    let counted = inference::count_tokens(&hub, &caller, request, request_id.as_str()).await;
    Ok(Json(TokenCount { input_tokens: counted.map_err(errors::inference)? }))
}
