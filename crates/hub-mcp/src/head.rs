//! The headers of an answer.

use axum::response::Response;
use http::{HeaderName, HeaderValue};
use hub_domain::inference::{Head, Whole};
use hub_types::HoldId;

/// The receipt of the call, readable at `/api/credits/receipts/{id}` once the answer is complete.
const RECEIPT: &str = "x-hub-receipt";
/// The provider that answered.
const PROVIDER: &str = "x-hub-provider";
/// The limit of completion tokens the balance forced.
const CLAMPED: &str = "x-hub-max-tokens";
/// Fields of the request that had no place at the provider and were left out.
const DROPPED: &str = "x-hub-dropped";
/// What a whole answer cost, in credits.
const CREDITS: &str = "x-hub-credits";
/// The stream, when it can be read again at `/v1/streams/{id}`.
const STREAM: &str = "x-hub-stream";
/// Says that this answer was given before.
const REPLAYED: &str = "idempotent-replayed";

/// Names and values.
pub(crate) type Headers = Vec<(String, String)>;

/// What is known of every answer.
pub(crate) fn of(head: &Head) -> Headers {
    let mut headers = vec![named(RECEIPT, head.receipt.to_string()), named(PROVIDER, head.provider.clone())];
    if let Some(limit) = head.clamped_to {
        headers.push(named(CLAMPED, limit.to_string()));
    }
    if !head.dropped.is_empty() {
        headers.push(named(DROPPED, head.dropped.join(", ")));
    }
    headers
}

/// What is known of a whole answer.
pub(crate) fn of_whole(whole: &Whole) -> Headers {
    let mut headers = vec![named("content-type", "application/json".to_owned())];
    headers.push(named(CREDITS, whole.bill.credits.to_string()));
    headers.extend(of(&whole.head));
    headers
}

/// Says where the stream can be read again.
pub(crate) fn stream(stream: HoldId) -> (String, String) {
    named(STREAM, stream.to_string())
}

/// Says that an answer was given before.
pub(crate) fn replayed() -> (String, String) {
    named(REPLAYED, "true".to_owned())
}

/// Sets them. A provider's name or a caller's field may hold what a header cannot; the answer does not depend on it.
pub(crate) fn put(response: &mut Response, headers: &[(String, String)]) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
}

fn named(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}
