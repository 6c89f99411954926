//! `/api/auth/oauth` and `/api/auth/identities`: sign-in with an account of another service, one file per endpoint.
//!
//! Two endpoints are for browsers and answer with redirects and pages; the others speak JSON. No token and no code of a provider ever
//! stands in an address or page we write: only our own one-time code does, in a fragment, and it is worth nothing in another browser.
#![expect(unused_qualifications, reason = "utoipa expands `params(T)` to a qualified path")]

mod browser;
mod callback;
mod errors;
mod exchange;
mod identities;
mod link;
mod providers;
mod session;
mod start;

use std::sync::Arc;

use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use hub_domain::Hub;
use hub_web::ApiError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(providers::providers))
        .routes(routes!(start::start))
        .routes(routes!(callback::callback))
        .routes(routes!(link::link))
        .routes(routes!(exchange::exchange))
        .merge(session::router())
        .merge(identities::router())
}

/// 302 to this address.
fn redirect(to: String) -> Result<Response, ApiError> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(to).map_err(ApiError::internal)?);
    Ok(response)
}
