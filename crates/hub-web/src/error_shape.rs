//! The three forms an error takes on the wire: ours, OpenAI's, Anthropic's.
//!
//! The path decides, not the handler: a program that talks to `/v1` with an official SDK must be able to read every
//! error, also those made by the front door. Both foreign forms carry our `code`, `timestamp` and request id as well.

use http::{HeaderMap, StatusCode};
use hub_types::{ErrorCode, Timestamp};
use serde_json::{Map, Value, json};

use crate::{ApiError, Telling, error_body, path_is_under};

/// Anthropic's words for the kind of an error (API reference, "Errors").
const ANTHROPIC_TYPES: [&str; 11] = [
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "conflict_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
];
/// Those that mean the same in OpenAI's wire, which is also that of many servers with words of their own.
const SHARED_TYPES: [&str; 4] =
    ["invalid_request_error", "authentication_error", "permission_error", "rate_limit_error"];
/// Anthropic's status of an overload.
const OVERLOADED: u16 = 529;

/// Which wire the caller speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorShape {
    /// `{"error":{"code","message","details"?,"timestamp","requestId"}}`
    Hub,
    /// `{"error":{"message","type","param","code",…}}`, everything under `/v1` that is not Anthropic's.
    OpenAi,
    /// `{"type":"error","error":{"type","message",…},"request_id"}`, `/v1/messages…` or a request with
    /// `anthropic-version`.
    Anthropic,
}

impl ErrorShape {
    /// The shape for a request.
    pub fn of(path: &str, headers: &HeaderMap) -> Self {
        if !path_is_under(path, "/v1") {
            Self::Hub
        } else if path_is_under(path, "/v1/messages") || headers.contains_key("anthropic-version") {
            Self::Anthropic
        } else {
            Self::OpenAi
        }
    }

    /// The status of an error response. Anthropic's SDKs know an overload by a number of its own.
    pub fn status(self, error: &ApiError) -> StatusCode {
        let overloaded = self == Self::Anthropic && error.telling == Some(Telling::Overloaded);
        let own = if overloaded { StatusCode::from_u16(OVERLOADED).ok() } else { None };
        own.unwrap_or_else(|| error.status())
    }

    /// The whole body of an error response.
    pub fn render(self, error: &ApiError, request_id: &str, now: Timestamp) -> Value {
        let mut inner = error_body(error, request_id, now);
        match self {
            Self::Hub => json!({ "error": inner }),
            Self::OpenAi => {
                if let Value::Object(fields) = &mut inner {
                    explain_in_message(error, fields);
                    let kind = openai_word(error).unwrap_or_else(|| openai_type(error));
                    fields.insert("type".into(), kind.into());
                    fields.insert("param".into(), first_field(error).map_or(Value::Null, Into::into));
                    if let Some(code) = error.provider.as_ref().and_then(|provider| provider.code.as_deref()) {
                        fields.insert("hubCode".into(), error.code.as_str().into());
                        fields.insert("code".into(), code.into());
                    }
                }
                json!({ "error": inner })
            }
            Self::Anthropic => {
                if let Value::Object(fields) = &mut inner {
                    explain_in_message(error, fields);
                    let kind = anthropic_word(error).unwrap_or_else(|| anthropic_type(error));
                    fields.insert("type".into(), kind.into());
                }
                json!({ "type": "error", "error": inner, "request_id": request_id })
            }
        }
    }
}

/// SDKs show only the message, so a bad field must be named in it.
fn explain_in_message(error: &ApiError, fields: &mut Map<String, Value>) {
    if error.message != error.code.message() {
        return;
    }
    let Some(Value::Array(list)) = &error.details else { return };
    let lines: Vec<String> = list
        .iter()
        .filter_map(|entry| Some(format!("{}: {}", entry.get("field")?.as_str()?, entry.get("message")?.as_str()?)))
        .collect();
    if !lines.is_empty() {
        fields.insert("message".into(), lines.join("; ").into());
    }
}

fn first_field(error: &ApiError) -> Option<&str> {
    error.details.as_ref()?.get(0)?.get("field")?.as_str()
}

fn provider_word(error: &ApiError) -> Option<&str> {
    error.provider.as_ref()?.kind.as_deref()
}

/// The provider's own word, unless it is one that only Anthropic's wire knows.
fn openai_word(error: &ApiError) -> Option<&str> {
    let word = provider_word(error)?;
    (SHARED_TYPES.contains(&word) || !ANTHROPIC_TYPES.contains(&word)).then_some(word)
}

/// The provider's own word, if Anthropic's wire knows it.
fn anthropic_word(error: &ApiError) -> Option<&str> {
    provider_word(error).filter(|word| ANTHROPIC_TYPES.contains(word))
}

/// OpenAI's word for the kind of error (API reference, "Error codes").
fn openai_type(error: &ApiError) -> &'static str {
    match error.telling {
        Some(Telling::NotFound) => return "invalid_request_error",
        Some(Telling::RateLimited) => return "rate_limit_error",
        Some(Telling::Overloaded) => return "server_error",
        None => {}
    }
    match error.code {
        ErrorCode::Authentication => "authentication_error",
        ErrorCode::InsufficientCredits | ErrorCode::BudgetExceeded => "insufficient_quota",
        ErrorCode::Forbidden | ErrorCode::AccountFrozen => "permission_error",
        ErrorCode::RateLimitExceeded => "rate_limit_error",
        other if other.status() >= 500 => "server_error",
        _ => "invalid_request_error",
    }
}

/// Anthropic's word for the kind of error (API reference, "Errors").
fn anthropic_type(error: &ApiError) -> &'static str {
    match error.telling {
        Some(Telling::NotFound) => return "not_found_error",
        Some(Telling::RateLimited) => return "rate_limit_error",
        Some(Telling::Overloaded) => return "overloaded_error",
        None => {}
    }
    match error.code {
        ErrorCode::Authentication => "authentication_error",
        ErrorCode::InsufficientCredits | ErrorCode::BudgetExceeded => "billing_error",
        ErrorCode::Forbidden | ErrorCode::AccountFrozen => "permission_error",
        ErrorCode::NotFound | ErrorCode::ModelNotFound => "not_found_error",
        ErrorCode::Conflict | ErrorCode::IdempotencyConflict => "conflict_error",
        ErrorCode::PayloadTooLarge => "request_too_large",
        ErrorCode::RateLimitExceeded => "rate_limit_error",
        ErrorCode::Unavailable => "overloaded_error",
        ErrorCode::GatewayTimeout => "timeout_error",
        other if other.status() >= 500 => "api_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_types::Clock;

    fn error() -> ApiError {
        ApiError::validation("messages[0].role", "must be one of user, assistant").source("secret cause")
    }

    fn now() -> Timestamp {
        Clock::fixed_at("2026-11-23T10:00:00Z").now()
    }

    #[test]
    fn the_hub_shape() {
        insta::assert_json_snapshot!(ErrorShape::Hub.render(&error(), "req-1", now()));
    }

    #[test]
    fn the_openai_shape() {
        insta::assert_json_snapshot!(ErrorShape::OpenAi.render(&error(), "req-1", now()));
    }

    #[test]
    fn the_anthropic_shape() {
        insta::assert_json_snapshot!(ErrorShape::Anthropic.render(&error(), "req-1", now()));
    }

    #[test]
    fn the_words_of_both_wires_for_every_code() {
        let table: Vec<String> = ErrorCode::ALL
            .iter()
            .map(|code| (code, ApiError::new(*code)))
            .map(|(code, error)| format!("{} {code} {} {}", code.status(), openai_type(&error), anthropic_type(&error)))
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn a_providers_own_code_stands_in_openais_place_and_ours_beside_it() {
        let error = error().provider_code("context_length_exceeded");
        let body = ErrorShape::OpenAi.render(&error, "req-1", now());
        assert_eq!(
            (&body["error"]["code"], &body["error"]["hubCode"]),
            (&json!("context_length_exceeded"), &json!("VALIDATION_ERROR"))
        );
        for shape in [ErrorShape::Hub, ErrorShape::Anthropic] {
            assert_eq!(shape.render(&error, "req-1", now())["error"]["code"], "VALIDATION_ERROR");
        }
    }

    #[test]
    fn a_providers_word_stands_where_the_wire_knows_it_and_is_told_in_ours_elsewhere() {
        let words = |kind: &str, telling: Option<Telling>| {
            let mut error = ApiError::new(ErrorCode::ProviderError).provider_type(kind);
            error.telling = telling;
            [ErrorShape::OpenAi, ErrorShape::Anthropic]
                .map(|shape| shape.render(&error, "r", now())["error"]["type"].clone())
        };
        assert_eq!(words("overloaded_error", Some(Telling::Overloaded)), ["server_error", "overloaded_error"]);
        assert_eq!(words("timeout_error", None), ["server_error", "timeout_error"]);
        assert_eq!(words("invalid_request_error", None), ["invalid_request_error", "invalid_request_error"]);
        assert_eq!(words("requests", Some(Telling::RateLimited)), ["requests", "rate_limit_error"]);
        assert_eq!(words("InternalServerError", None), ["InternalServerError", "api_error"]);
    }

    #[test]
    fn a_telling_status_has_its_word_in_each_wire() {
        for (telling, statuses, words) in [
            (Telling::NotFound, [404, 404], ["invalid_request_error", "not_found_error"]),
            (Telling::RateLimited, [429, 429], ["rate_limit_error", "rate_limit_error"]),
            (Telling::Overloaded, [503, 529], ["server_error", "overloaded_error"]),
        ] {
            let error = ApiError::new(ErrorCode::AllProvidersFailed).telling(telling);
            let shapes = [ErrorShape::OpenAi, ErrorShape::Anthropic];
            assert_eq!(shapes.map(|shape| shape.status(&error).as_u16()), statuses);
            let bodies = shapes.map(|shape| shape.render(&error, "req-1", now()));
            assert_eq!([&bodies[0]["error"]["type"], &bodies[1]["error"]["type"]], words);
            assert!(bodies.iter().all(|body| body["error"]["code"] == "ALL_PROVIDERS_FAILED"));
        }
    }

    #[test]
    fn the_path_decides_and_lookalikes_do_not() {
        let plain = HeaderMap::new();
        let mut anthropic = HeaderMap::new();
        anthropic.insert("anthropic-version", http::HeaderValue::from_static("2023-06-01"));
        assert_eq!(ErrorShape::of("/v1/chat/completions", &plain), ErrorShape::OpenAi);
        assert_eq!(ErrorShape::of("/v1/messages/count_tokens", &plain), ErrorShape::Anthropic);
        assert_eq!(ErrorShape::of("/v1/models", &anthropic), ErrorShape::Anthropic);
        assert_eq!(ErrorShape::of("/v1beta", &plain), ErrorShape::Hub);
        assert_eq!(ErrorShape::of("/api/mcp/chat", &anthropic), ErrorShape::Hub);
    }
}
