//! What a caller asks for beside the call itself: by its own key, to be read again, or the rest of an earlier answer.

use axum::extract::FromRequestParts;
use bytes::Bytes;
use http::HeaderName;
use http::request::Parts;
use hub_domain::inference::idempotent::Act;
use hub_domain::inference::replay::EventId;
use hub_domain::inference::{CallRequest, ChatInput, Choice};
use hub_types::Credits;
use hub_web::{ApiError, IdempotencyKey, MaxCredits, RequestId};

use crate::wire::Wire;

/// `1`: the stream is to be recorded, so that it can be read again.
const RESUME: HeaderName = HeaderName::from_static("x-hub-resume");
/// The last event the client has of a stream (HTML standard, "Server-sent events").
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The headers of a request that say so. Errors: 400 for a header that is no such thing.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    key: Option<String>,
    /// The stream is to be recorded.
    pub(crate) resume: bool,
    /// The answer is to go on after this event; no call is made.
    pub(crate) after: Option<EventId>,
    /// The most the call may cost.
    pub(crate) cap: Option<Credits>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let IdempotencyKey(key) = IdempotencyKey::from_request_parts(parts, state).await?;
        let resume = match parts.headers.get(RESUME).map(http::HeaderValue::as_bytes) {
            None | Some(b"0") => false,
            Some(b"1") => true,
            Some(_) => return Err(ApiError::validation("x-hub-resume", "must be 1 or 0")),
        };
        let after = match parts.headers.get(LAST_EVENT_ID) {
            None => None,
            Some(id) => Some(id.to_str().ok().and_then(|id| id.parse().ok()).ok_or_else(|| {
                ApiError::validation("Last-Event-ID", "must be the id of an event of a stream of this hub")
            })?),
        };
        let MaxCredits(cap) = MaxCredits::from_request_parts(parts, state).await?;
        Ok(Self { key, resume, after, cap })
    }
}

impl Asked {
    /// The same with the key that stands in the body, which must be that of the header where both are given.
    pub(crate) fn keyed(mut self, key: Option<&str>) -> Result<Self, ApiError> {
        const FIELD: &str = "idempotencyKey";
        let Some(key) = key else { return Ok(self) };
        let key = IdempotencyKey::checked(key, FIELD)?;
        if self.key.as_ref().is_some_and(|header| *header != key) {
            return Err(ApiError::validation(FIELD, "is not the key of the header"));
        }
        self.key = Some(key);
        Ok(self)
    }
}

/// A request of a billable route: what it asks for, how it wants to be answered, and its body as it came.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) asked: Asked,
    pub(crate) wire: Wire,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) const fn new(asked: Asked, wire: Wire, body: Bytes) -> Self {
        Self { asked, wire, body }
    }

    /// The call of a route whose callers do not choose a provider.
    pub(crate) fn input(
        &self,
        request: CallRequest,
        route: &'static str,
        kind: &'static str,
        request_id: &RequestId,
    ) -> ChatInput {
        let request_id = request_id.as_str().to_owned();
        ChatInput { request, choice: Choice::Auto, route, kind, request_id, cap: self.asked.cap }
    }

    /// The act its key names, where it has one.
    pub(crate) fn act(&self, route: &'static str, model: &str) -> Option<Act> {
        self.asked.key.clone().map(|key| Act::new(key, route, model, &self.body))
    }
}
