//! `POST /v1/embeddings`: texts in, vectors out.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_domain::inference::EmbeddingsRequest;
use hub_web::{ApiError, Authenticated, ErrorShape, JsonBytes, RequestId};

use crate::asked::{Ask, Asked};
use crate::wire::Wire;
use crate::{errors, reply};

const ROUTE: &str = "/v1/embeddings";

/// Turns texts, or lists of token numbers, into vectors, as floats or base64. Paid by input tokens.
#[utoipa::path(post, path = "/v1/embeddings", tag = "openai", request_body = Object, responses((status = 200, body = Object)))]
pub(crate) async fn embeddings(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    asked: Asked,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    let ask = Ask::new(asked, Wire::Compatible(ErrorShape::OpenAi), body.clone());
    let request = EmbeddingsRequest::parse(body).map_err(errors::bad_request)?.into();
    let input = ask.input(request, ROUTE, "embedding", &request_id);
    reply::answer(hub, &caller, request_id, ask, input).await
}
