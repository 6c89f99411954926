//! How large a request body may be, by path.
//!
//! A length that is announced is refused before a byte is read; a body without one is counted while it streams. Either
//! way the answer is 413, also when the handler, or a service behind us, made something else of the broken body. That
//! a client which is still sending gets to read the answer is the business of [`crate::serve`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Version};
use hub_types::ErrorCode;

use crate::observed::{Observed, Observer};
use crate::{ApiError, BodyError};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Limits in bytes: one for everything, others for what lies under a path.
#[derive(Debug, Clone)]
pub struct BodyLimits {
    /// Where no prefix matches. Default 1 MiB.
    pub default: u64,
    /// `(prefix, bytes)`; the longest matching prefix wins. Default: `/api/auth` 64 KiB, `/v1`, `/api/mcp` and `/mcp`
    /// 32 MiB (the size Anthropic takes on messages; images travel inside the JSON), as much for quotes of such bodies and for
    /// the files of a reconciliation.
    pub by_prefix: Vec<(&'static str, u64)>,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            default: MIB,
            by_prefix: vec![
                ("/api/auth", 64 * KIB),
                ("/v1", 32 * MIB),
                ("/api/mcp", 32 * MIB),
                ("/mcp", 32 * MIB),
                ("/api/credits/quote", 32 * MIB),
                ("/api/admin/reconciliation", 32 * MIB),
            ],
        }
    }
}

impl BodyLimits {
    /// The limit for a path, in bytes.
    pub fn of(&self, path: &str) -> u64 {
        let matching = self.by_prefix.iter().filter(|(prefix, _)| path_is_under(path, prefix));
        matching.max_by_key(|(prefix, _)| prefix.len()).map_or(self.default, |(_, limit)| *limit)
    }
}

/// True when `path` is `prefix` or lies below it: `/v1/models` is under `/v1`, `/v1beta` is not. `/` holds everything.
pub fn path_is_under(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers 413 for bodies beyond `limits`. Replaces axum's own limit of 2 MB, which knows no paths.
pub fn with_body_limit(router: Router, limits: BodyLimits) -> Router {
    router.layer(DefaultBodyLimit::disable()).layer(from_fn_with_state(Arc::new(limits), body_limit))
}

async fn body_limit(State(limits): State<Arc<BodyLimits>>, request: Request, next: Next) -> Response {
    let limit = limits.of(request.uri().path());
    let version = request.version();
    match announced(request.headers()) {
        Some(length) if length > limit => return refused(version),
        Some(_) => return next.run(request).await,
        None if request.body().is_end_stream() => return next.run(request).await,
        None => {}
    }
    let tripped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&tripped);
    let request = request.map(|inner| Body::new(Observed::new(inner, Counted { left: limit, tripped: flag })));
    let response = next.run(request).await;
    // A handler that had already begun to answer well keeps its answer.
    if tripped.load(Ordering::Relaxed) && !response.status().is_success() { refused(version) } else { response }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn refused(version: Version) -> Response {
    let mut response = ApiError::new(ErrorCode::PayloadTooLarge).into_response();
    // The rest of the body is not read, so an HTTP/1 connection cannot be used again.
    if version <= Version::HTTP_11 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Makes a body fail once it has yielded more bytes than it may.
struct Counted {
    left: u64,
    tripped: Arc<AtomicBool>,
}

impl Observer for Counted {
    fn data(&mut self, bytes: u64) -> Result<(), axum::Error> {
        let left = self.left.checked_sub(bytes).ok_or_else(|| {
            self.tripped.store(true, Ordering::Relaxed);
            axum::Error::new(BodyError::TooLarge)
        });
        left.map(|left| self.left = left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides_on_segment_borders() {
        let limits = BodyLimits { default: 1, by_prefix: vec![("/api", 2), ("/api/mcp", 3)] };
        assert_eq!(limits.of("/api/mcp/chat"), 3);
        assert_eq!(limits.of("/api/mcp"), 3);
        assert_eq!(limits.of("/api/mcpx"), 2);
        assert_eq!(limits.of("/apiary"), 1);
        assert!(path_is_under("/anything", "/"));
    }
}
