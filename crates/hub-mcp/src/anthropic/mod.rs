//! `/v1/messages`: Anthropic's wire. One file per endpoint.

mod count_tokens;
mod messages;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use hub_domain::Hub;
use hub_domain::inference::{ApiVersion, BadRequest, MessagesRequest};
use hub_web::ApiError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(messages::messages)).routes(routes!(count_tokens::count_tokens))
}

/// Reads a body under the version its headers name; without one the older rules hold, which take more.
fn read(
    headers: &HeaderMap,
    body: Bytes,
    parse: fn(Bytes, ApiVersion) -> Result<MessagesRequest, BadRequest>,
) -> Result<MessagesRequest, ApiError> {
    let version = match headers.get("anthropic-version") {
        None => ApiVersion::V20230601,
        Some(name) => name.to_str().ok().and_then(ApiVersion::named).ok_or_else(|| {
            let known = ApiVersion::ALL.map(ApiVersion::as_str).join(" or ");
            ApiError::validation("anthropic-version", format!("must be {known}"))
        })?,
    };
    let betas: Vec<&str> = headers.get_all("anthropic-beta").iter().filter_map(|value| value.to_str().ok()).collect();
    let betas = betas.join(",");
    let request = parse(body, version).map_err(errors::bad_request)?;
    Ok(request.with_betas((!betas.is_empty()).then_some(betas.as_str())))
}
