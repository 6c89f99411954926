//! `GET /v1/models` and `GET /v1/models/{id}`: what this caller may use now.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::inference::{self, InferenceError, Model};
use hub_web::{ApiError, Authenticated, Json, Path};
use serde::Serialize;
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

/// The models this caller may use now: those with a price whose provider is configured.
#[utoipa::path(get, path = "/v1/models", tag = "openai", operation_id = "list_models", responses((status = 200, body = ModelList)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<ModelList>, ApiError> {
    let models = inference::models(&hub, &caller).map_err(errors::inference)?;
    Ok(Json(ModelList { object: "list", data: models.into_iter().map(ModelView::from).collect() }))
}

/// One of these models.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "openai", operation_id = "get_model",
    params(("id" = String, Path)), responses((status = 200, body = ModelView)))]
pub(crate) async fn one(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<ModelView>, ApiError> {
    let models = inference::models(&hub, &caller).map_err(errors::inference)?;
    match models.into_iter().find(|model| model.id == id) {
        Some(model) => Ok(Json(model.into())),
        None => Err(errors::inference(InferenceError::ModelNotFound { model: id })),
    }
}
