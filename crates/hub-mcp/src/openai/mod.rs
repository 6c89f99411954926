//! `/v1`: OpenAI's wire. One file per endpoint.

mod chat_completions;
mod completions;
mod embeddings;
mod models;
mod responses;
mod streams;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(chat_completions::chat_completions))
        .routes(routes!(completions::completions))
        .routes(routes!(embeddings::embeddings))
        .routes(routes!(responses::responses))
        .routes(routes!(models::list))
        .routes(routes!(models::one))
        .routes(routes!(streams::resume))
}
