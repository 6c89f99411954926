//! Requests to a payment provider, with everything bounded: time, size, redirects (none).

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

use super::PayError;

/// Making a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// One request, from its first byte to the last of its answer.
const TOTAL: Duration = Duration::from_secs(15);
/// Largest answer, in bytes: a page of a hundred events.
const LIMIT: usize = 8 * 1024 * 1024;
/// Longest piece of the provider's own words, in characters.
const LONGEST_WORDS: usize = 200;

/// The client.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("smart-ai-hub/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .timeout(TOTAL)
        .pool_max_idle_per_host(4)
        .build()
}

/// Sends, and reads the JSON of a good answer.
pub(super) async fn send(request: RequestBuilder) -> Result<Value, PayError> {
    let response = request.send().await.map_err(|error| broken(&error))?;
    let status = response.status();
    let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = read(response).await?;
    let json: Option<Value> = serde_json::from_slice(&body).ok();
    if status.is_success() {
        return json.ok_or(PayError::Protocol("it is no JSON"));
    }
    let message = words(json.as_ref());
    match status.as_u16() {
        // 409: the same act is still being done; 401 and 403 are for the operator to repair, not a word about the order.
        401 | 403 | 408 | 409 | 429 | 500.. => Err(PayError::Unavailable {
            message: format!("{} {message}", status.as_u16()),
            retry_after: wait.map(Duration::from_secs),
        }),
        300..=399 => Err(PayError::Protocol("a redirect")),
        status => Err(PayError::Refused { status, message }),
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, PayError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| broken(&error))? {
        if body.len() + piece.len() > LIMIT {
            return Err(PayError::Protocol("it is too large"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Kind, code and message of an error, cut and without control characters. Stripe's own messages name at most the last letters of a key.
fn words(body: Option<&Value>) -> String {
    let error = body.map_or(&Value::Null, |body| &body["error"]);
    let parts = ["type", "code", "param"].into_iter().filter_map(|key| error[key].as_str());
    let text = parts.collect::<Vec<_>>().join(" ");
    text.chars().take(LONGEST_WORDS).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn broken(error: &reqwest::Error) -> PayError {
    let message = if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it cannot be reached"
    } else if error.is_builder() {
        "the secret key holds characters that cannot be sent"
    } else {
        "the connection broke"
    };
    PayError::Unavailable { message: message.to_owned(), retry_after: None }
}
