//! The error every handler returns. It carries what happened; it never renders a body.
//!
//! `IntoResponse` sets status and headers and leaves the error in the response's extensions. The envelope layer is
//! the only place that writes it out, because only there request id, time and the caller's wire are known.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use hub_types::ErrorCode;
use serde_json::{Value, json};

use crate::LimitState;

/// Any cause that may travel between threads.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// A status that says more than the one of the code. Which number that is depends on the caller's wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// 404: what was asked for is nowhere.
    NotFound,
    /// 429: all that could answer limit the rate.
    RateLimited,
    /// 503, in Anthropic's wire 529: all that could answer have too much to do.
    Overloaded,
}

/// A provider's words that programs go by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderWords {
    /// Its code; OpenAI's wire shows it in the place of ours.
    pub code: Option<Box<str>>,
    /// Its word for the kind of error, where its answer failed after it had begun; shown in a wire that knows the word.
    pub kind: Option<Box<str>>,
}

/// What went wrong, in the hub's own words.
#[derive(Debug)]
pub struct ApiError {
    /// The code a client can rely on; it decides the status.
    pub code: ErrorCode,
    /// One sentence for the person who reads it. Never a cause, a query, a path or a secret.
    pub message: Cow<'static, str>,
    /// More for programs: for a validation error a list of `{field, message}`.
    pub details: Option<Value>,
    /// When trying again makes sense; becomes `Retry-After` in whole seconds, rounded up.
    pub retry_after: Option<Duration>,
    /// The caller's limit; becomes the three `RateLimit-*` headers.
    pub limit: Option<Box<LimitState>>,
    /// A status that says more than the code's own.
    pub telling: Option<Telling>,
    /// The words of a provider that refused the request itself, or whose answer failed after it had begun.
    pub provider: Option<Box<ProviderWords>>,
    /// The cause. Logged once by the envelope layer, never shown.
    pub source: Option<BoxError>,
}

impl ApiError {
    /// An error with the code's own message.
    pub fn new(code: ErrorCode) -> Self {
        Self {
            code,
            message: Cow::Borrowed(code.message()),
            details: None,
            retry_after: None,
            limit: None,
            telling: None,
            provider: None,
            source: None,
        }
    }

    /// A request that breaks one rule about one field (400).
    pub fn validation(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Validation).field(field, message)
    }

    /// Something that does not exist or is not the caller's (404); `what` starts the sentence, like `"Promo code"`.
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound).message(format!("{what} not found"))
    }

    /// Nobody is known behind this request (401).
    pub fn unauthenticated() -> Self {
        Self::new(ErrorCode::Authentication)
    }

    /// Our own fault (500). The cause goes to the log only.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        Self::new(ErrorCode::Internal).source(source)
    }

    /// Replaces the message.
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Replaces the details.
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Adds one `{field, message}` to the details. Details that are no list are replaced.
    pub fn field(mut self, name: impl Into<String>, message: impl Into<String>) -> Self {
        let entry = json!({ "field": name.into(), "message": message.into() });
        match &mut self.details {
            Some(Value::Array(list)) => list.push(entry),
            other => *other = Some(Value::Array(vec![entry])),
        }
        self
    }

    /// Says when to try again.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds the caller's limit.
    pub fn limit(mut self, limit: LimitState) -> Self {
        self.limit = Some(Box::new(limit));
        self
    }

    /// Answers with a status that says more than the code's own.
    pub fn telling(mut self, telling: Telling) -> Self {
        self.telling = Some(telling);
        self
    }

    /// Adds the code of the provider.
    pub fn provider_code(mut self, code: impl Into<Box<str>>) -> Self {
        self.provider.get_or_insert_default().code = Some(code.into());
        self
    }

    /// Adds the provider's word for the kind of error.
    pub fn provider_type(mut self, kind: impl Into<Box<str>>) -> Self {
        self.provider.get_or_insert_default().kind = Some(kind.into());
        self
    }

    /// Keeps the cause for the log.
    pub fn source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The HTTP status: the telling one, else that of the code.
    pub fn status(&self) -> StatusCode {
        match self.telling {
            Some(Telling::NotFound) => return StatusCode::NOT_FOUND,
            Some(Telling::RateLimited) => return StatusCode::TOO_MANY_REQUESTS,
            Some(Telling::Overloaded) => return StatusCode::SERVICE_UNAVAILABLE,
            None => {}
        }
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The causes below this error, joined by `: `. For the log only.
    pub(crate) fn cause_chain(&self) -> Option<String> {
        let first = self.source.as_deref()?;
        let mut text = first.to_string();
        let mut next = first.source();
        // Bounded, because a cause may be built by a stranger's library.
        for _ in 0..16 {
            let Some(cause) = next else { break };
            let line = cause.to_string();
            // Wrappers like to repeat their cause word by word; saying it once is enough.
            if !text.ends_with(&line) {
                text.push_str(": ");
                text.push_str(&line);
            }
            next = cause.source();
        }
        Some(text)
    }
}

impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait).max(1)));
        }
        if self.code == ErrorCode::Authentication {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(limit) = &self.limit {
            limit.write(headers);
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Seconds, rounded up: a client that waits as told must not come too early.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_headers_come_from_the_code_and_the_body_stays_empty() {
        let response = ApiError::new(ErrorCode::RateLimitExceeded)
            .retry_after(Duration::from_millis(1200))
            .limit(LimitState { limit: 10, remaining: 0, reset: Duration::from_secs(6) })
            .into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["ratelimit-limit"], "10");
        assert_eq!(response.headers()["ratelimit-reset"], "6");
        assert!(http_body::Body::is_end_stream(response.body()));
    }

    #[test]
    fn only_an_unknown_caller_is_asked_for_a_bearer() {
        assert_eq!(ApiError::unauthenticated().into_response().headers()["www-authenticate"], "Bearer");
        assert!(!ApiError::new(ErrorCode::Forbidden).into_response().headers().contains_key("www-authenticate"));
    }

    #[test]
    fn fields_collect_in_order() {
        let error = ApiError::validation("email", "is required").field("name", "is too long");
        assert_eq!(
            error.details,
            Some(json!([{"field": "email", "message": "is required"}, {"field": "name", "message": "is too long"}]))
        );
    }

    #[test]
    fn the_cause_chain_names_every_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("the pool is closed")]
        struct Pool;
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the account")]
        struct Read(#[source] Pool);
        assert_eq!(
            ApiError::internal(Read(Pool)).cause_chain().as_deref(),
            Some("cannot read the account: the pool is closed")
        );
        assert_eq!(ApiError::new(ErrorCode::Internal).cause_chain(), None);
    }
}
