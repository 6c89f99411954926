//! `GET /v1/models` and `GET /v1/models/{id}`: what this caller may use now, in OpenAI's form, or in Anthropic's for callers who name its
//! version.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use hub_domain::Hub;
use hub_domain::inference::{self, InferenceError, Model};
use hub_web::{ApiError, Authenticated, Json, Path, Query};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::errors;

/// Most models of one page in Anthropic's form.
const PAGE_LIMIT: usize = 1_000;

/// Which of the models, in Anthropic's form; OpenAI's has all.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageOfModels {
    /// At most so many, 1 to 1000; all without it. Text, because OpenAI's form takes no notice of it.
    limit: Option<String>,
    /// Those after this id.
    after_id: Option<String>,
    /// Those before this id, nearest last.
    before_id: Option<String>,
}

impl PageOfModels {
    /// The page, and whether there are more on its far side.
    fn of<'a>(&self, models: &'a [Model]) -> Result<(&'a [Model], bool), ApiError> {
        let limit = match self.limit.as_deref().map(str::parse) {
            None => models.len(),
            Some(Ok(limit @ 1..=PAGE_LIMIT)) => limit,
            Some(_) => return Err(ApiError::validation("limit", format!("must be 1 to {PAGE_LIMIT}"))),
        };
        let place = |name: &str, id: &str| {
            let found = models.iter().position(|model| model.id == id);
            found.ok_or_else(|| ApiError::validation(name, "names no model of this list"))
        };
        match (&self.after_id, &self.before_id) {
            (Some(_), Some(_)) => Err(ApiError::validation("before_id", "cannot stand beside after_id")),
            (None, Some(id)) => {
                let before = models.get(..place("before_id", id)?).unwrap_or_default();
                let from = before.len().saturating_sub(limit);
                Ok((before.get(from..).unwrap_or_default(), from > 0))
            }
            (after, None) => {
                let from = after.as_deref().map_or(Ok(0), |id| place("after_id", id).map(|place| place + 1))?;
                let rest = models.get(from..).unwrap_or_default();
                Ok((rest.get(..limit).unwrap_or(rest), rest.len() > limit))
            }
        }
    }
}

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
#[utoipa::path(get, path = "/v1/models", tag = "openai", operation_id = "list_models", params(PageOfModels),
    responses((status = 200, body = ModelList)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Query(page): Query<PageOfModels>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let models = inference::models(&hub, &caller).map_err(errors::inference)?;
    if speaks_anthropic(&headers) {
        let (models, has_more) = page.of(&models)?;
        let (first, last) = (models.first().map(|model| &model.id), models.last().map(|model| &model.id));
        let data: Vec<Value> = models.iter().map(anthropic).collect();
        let body = json!({ "data": data, "has_more": has_more, "first_id": first, "last_id": last });
        return Ok(Json(body).into_response());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn page(limit: Option<&str>, after: Option<&str>, before: Option<&str>) -> Option<(Vec<String>, bool)> {
        let models = ["a", "b", "c", "d"].map(|id| Model { id: id.to_owned(), service: String::new(), created: 0 });
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let page = PageOfModels { limit: owned(limit), after_id: owned(after), before_id: owned(before) };
        let (models, more) = page.of(&models).ok()?;
        Some((models.iter().map(|model| model.id.clone()).collect(), more))
    }

    #[test]
    fn a_page_is_what_anthropics_sdks_ask_for() {
        let told = |ids: &str, more: bool| Some((ids.chars().map(String::from).collect(), more));
        assert_eq!(page(None, None, None), told("abcd", false));
        assert_eq!(page(Some("3"), None, None), told("abc", true));
        assert_eq!(page(Some("3"), Some("c"), None), told("d", false));
        assert_eq!(page(Some("1"), Some("b"), None), told("c", true));
        assert_eq!(page(Some("2"), None, Some("d")), told("bc", true));
        assert_eq!(page(Some("2"), None, Some("c")), told("ab", false));
        assert_eq!(page(None, Some("d"), None), told("", false));
        for (limit, after, before) in [
            (Some("0"), None, None),
            (Some("1001"), None, None),
            (Some("x"), None, None),
            (None, Some("z"), None),
            (None, Some("a"), Some("d")),
        ] {
            assert_eq!(page(limit, after, before), None);
        }
    }
}
