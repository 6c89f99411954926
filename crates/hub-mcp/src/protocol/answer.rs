//! One request of the protocol over HTTP: the answer whole, or as server-sent events.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use hub_domain::Hub;
use hub_types::Caller;
use hub_web::{ApiError, Json, RequestId};

use super::{Kind, McpRequest};
use crate::asked::{Ask, Asked};
use crate::reply;
use crate::wire::Wire;

/// Makes the call of a request whose type is one of `kinds`.
pub(super) async fn answer(
    hub: Arc<Hub>,
    caller: &Caller,
    request_id: RequestId,
    (mut asked, body): (Asked, Bytes),
    route: &'static str,
    kinds: &[Kind],
) -> Result<Response, ApiError> {
    let Json(request) = Json::<McpRequest>::from_bytes(&body)?;
    if !kinds.contains(&request.kind) {
        return Err(ApiError::validation("type", "has a route of its own under /api/mcp"));
    }
    asked = asked.keyed(request.idempotency_key.as_deref())?;
    asked.resume |= request.resume;
    let wire = Wire::Protocol { id: request.id.clone(), kind: request.kind };
    let input = request.capped(asked.cap).into_input(route, request_id.as_str().to_owned())?;
    reply::answer(hub, caller, request_id, Ask::new(asked, wire, body), input).await
}
