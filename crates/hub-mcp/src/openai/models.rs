//! `GET /v1/models` and `GET /v1/models/{id}`: what this caller may use now, in OpenAI's form, or in Anthropic's for callers who name its
//! version.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use hub_domain::Hub;
use hub_domain::inference::{self, InferenceError, Model};
use hub_web::{ApiError, Authenticated, Json, Path};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::errors;

/// A list in OpenAI's form.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList {
    /// Always `list`.
    object: &'static str,
    /// The models, by id.
    data: Vec<ModelView>,
}

/// A model in OpenAI's form.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelView {
    /// Its id.
    id: String,
    /// Always `model`.
    object: &'static str,
    /// Seconds since 1970.
    created: i64,
    /// Service that serves it.
    owned_by: String,
}

impl From<Model> for ModelView {
    fn from(model: Model) -> Self {
        Self { id: model.id, object: "model", created: model.created, owned_by: model.service }
    }
}

/// A model in Anthropic's form (providers.md §3.6).
fn anthropic(model: &Model) -> Value {
    let created = chrono::DateTime::from_timestamp(model.created, 0).unwrap_or_default();
    let created = created.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    json!({ "type": "model", "id": model.id, "display_name": model.id, "created_at": created })
}

fn speaks_anthropic(headers: &HeaderMap) -> bool {
    headers.contains_key("anthropic-version")
}

/// The models this caller may use now: those with a price whose provider is configured.
#[utoipa::path(get, path = "/v1/models", tag = "openai", operation_id = "list_models", responses((status = 200, body = ModelList)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let models = inference::models(&hub, &caller).map_err(errors::inference)?;
    if speaks_anthropic(&headers) {
        let (first, last) = (models.first().map(|model| &model.id), models.last().map(|model| &model.id));
        let data: Vec<Value> = models.iter().map(anthropic).collect();
        return Ok(Json(json!({ "data": data, "has_more": false, "first_id": first, "last_id": last })).into_response());
    }
    Ok(Json(ModelList { object: "list", data: models.into_iter().map(ModelView::from).collect() }).into_response())
}

/// One of these models.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "openai", operation_id = "get_model",
    params(("id" = String, Path)), responses((status = 200, body = ModelView)))]
pub(crate) async fn one(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let models = inference::models(&hub, &caller).map_err(errors::inference)?;
    match models.into_iter().find(|model| model.id == id) {
        Some(model) if speaks_anthropic(&headers) => Ok(Json(anthropic(&model)).into_response()),
        Some(model) => Ok(Json(ModelView::from(model)).into_response()),
        None => Err(errors::inference(InferenceError::ModelNotFound { model: id })),
    }
}
