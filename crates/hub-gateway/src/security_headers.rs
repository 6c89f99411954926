//! The headers that tell a browser how little it may do with our answers. They are on every answer, errors included.
//!
//! Sources: ASVS 5.0 3.4 (security headers), 14.3.2 (caching of sensitive data). HSTS is sent only when the hub's public
//! address is https, and without `includeSubDomains` and `preload`: those bind more than this hub.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use hub_web::path_is_under;

/// The policy of HTML pages that bring none of their own: everything from this origin, no inline script or style.
pub const HTML_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; \
     base-uri 'none'; object-src 'none'; frame-ancestors 'none'";

const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Marks every answer of `router`. A policy that a page brings itself is kept.
pub(crate) fn with_security_headers(router: Router, https: bool) -> Router {
    router.layer(from_fn_with_state(https, security_headers))
}

async fn security_headers(State(https): State<bool>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let secret = path_is_under(path, "/api/auth") || path_is_under(path, "/api/keys");
    let private = secret || ["/api", "/v1", "/mcp"].iter().any(|prefix| path_is_under(path, prefix));
    let mut response = next.run(request).await;
    let html = is_html(response.headers());
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let policy = HeaderValue::from_static(if html { HTML_POLICY } else { API_POLICY });
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    if html {
        headers.entry(OPENER).or_insert(HeaderValue::from_static("same-origin"));
    }
    if secret {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    } else if private {
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    if https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

fn is_html(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/html"))
}
