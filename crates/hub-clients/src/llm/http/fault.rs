//! From a provider's refusal to what the hub does about it (providers.md §1.4, §3.5). Reads OpenAI's and Anthropic's error bodies and
//! the other shapes that compatible servers send: `{"detail"}`, `{"message"}`, `{"error":"text"}`, a list, plain text.

use std::time::Duration;

use chrono::DateTime;
use hub_types::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;
use tokio::time::timeout;

use super::Body;
use crate::llm::{LlmError, ProviderFault};

/// How much of an error body is read, in bytes.
pub(in crate::llm) const BODY_LIMIT: usize = 64 * 1024;
/// The longest pause believed; a longer one is cut to it.
const PAUSE_LIMIT: Duration = Duration::from_hours(24);
/// Codes and types that mean an account without money or quota.
const QUOTA: [&str; 8] = [
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "insufficient_balance",
    "quota_exceeded",
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
    "billing_error",
];

/// Turns refusals into errors; knows our credential in order to cut it out of them.
#[derive(Clone, Copy)]
pub(in crate::llm) struct Reject<'a> {
    pub(in crate::llm) secret: Option<&'a str>,
}

/// What an error body says.
#[derive(Default)]
struct Said {
    message: Option<String>,
    kind: Option<String>,
    param: Option<String>,
    code: Option<String>,
    /// The body was JSON.
    json: bool,
}

impl Reject<'_> {
    /// The error of an answer whose status is not a success. `now` is needed for a `Retry-After` that is a date.
    pub(in crate::llm) fn response(self, status: u16, headers: &HeaderMap, body: &[u8], now: Timestamp) -> LlmError {
        let advice = match headers.get("x-should-retry").map(reqwest::header::HeaderValue::as_bytes) {
            Some(b"true") => Some(true),
            Some(b"false") => Some(false),
            _ => None,
        };
        self.classify(status, &read(body), pause(headers, now), advice)
    }

    /// The error inside an answer with status 200, or inside a stream. A code that is an HTTP status counts as one.
    pub(in crate::llm) fn answer(self, body: &[u8]) -> LlmError {
        let said = read(body);
        let word = |word: &str| said.code.as_deref() == Some(word) || said.kind.as_deref() == Some(word);
        let status = match said.code.as_deref().and_then(|code| code.parse().ok()) {
            Some(status @ 400..=599) => status,
            _ if QUOTA.into_iter().any(word) => 402,
            _ if word("rate_limit_exceeded") || word("rate_limit_error") => 429,
            _ if word("invalid_api_key") || word("authentication_error") => 401,
            _ if word("invalid_request_error") => 400,
            _ if word("permission_error") => 403,
            _ if word("not_found_error") => 404,
            _ if word("request_too_large") => 413,
            _ if word("timeout_error") => 504,
            _ if word("overloaded_error") => 529,
            _ => 500,
        };
        self.classify(status, &said, None, None)
    }

    fn classify(self, status: u16, said: &Said, retry_after: Option<Duration>, advice: Option<bool>) -> LlmError {
        let (code, kind) = (said.code.as_deref(), said.kind.as_deref());
        let is = |word: &str| code == Some(word) || kind == Some(word);
        let message = said.message.as_deref().unwrap_or("the provider gave no reason");
        let error = ProviderFault::with_words(message, kind, said.param.as_deref(), code, self.secret)
            .with_retry_advice(advice);
        match status {
            402 => LlmError::Quota { error },
            400..=499 if QUOTA.into_iter().any(is) => LlmError::Quota { error },
            401 => LlmError::Credential { error },
            400..=499 if is("invalid_api_key") => LlmError::Credential { error },
            400..=499 if is("model_not_found") => LlmError::ModelNotFound { error },
            404 if said.json => LlmError::ModelNotFound { error },
            404 => LlmError::Protocol("no chat at this address; is base_url right?"),
            429 => LlmError::RateLimited { retry_after, error },
            408 | 409 | 500..=599 => LlmError::Unavailable { status, retry_after, error },
            300..=399 => LlmError::Protocol("a redirect, which is never followed"),
            400..=499 => LlmError::Refused { status, error },
            _ => LlmError::Protocol("a status nobody expects"),
        }
    }
}

/// Reads the first [`BODY_LIMIT`] bytes of an error body; what is late or broken is left out.
pub(in crate::llm) async fn read_prefix(mut from: Body, limit: Duration) -> Vec<u8> {
    let mut body = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = from.chunk().await {
            body.extend_from_slice(&chunk[..chunk.len().min(BODY_LIMIT - body.len())]);
            if body.len() == BODY_LIMIT {
                break;
            }
        }
    };
    // What arrived in time is used either way.
    let _ = timeout(limit, reading).await;
    body
}

fn read(body: &[u8]) -> Said {
    let Ok(mut json) = serde_json::from_slice::<Value>(body) else {
        let text = std::str::from_utf8(body).unwrap_or_default().trim();
        // A page is for eyes; its markup says nothing.
        let message = (!text.is_empty() && !text.starts_with('<')).then(|| text.to_owned());
        return Said { message, ..Said::default() };
    };
    if let Some(first) = json.as_array_mut().and_then(|list| list.first_mut()) {
        json = first.take();
    }
    let error = match &json["error"] {
        Value::Null => &json,
        error => error,
    };
    let word = |name: &str| match &error[name] {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let detail = || match &json["detail"] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Said {
        message: error.as_str().map(str::to_owned).or_else(|| word("message")).or_else(detail),
        kind: word("type"),
        param: word("param"),
        code: word("code").or_else(|| error["details"]["error_code"].as_str().map(str::to_owned)),
        json: true,
    }
}

/// `retry-after-ms`, else `retry-after` in seconds or as a date (RFC 9110 §10.2.3).
fn pause(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let seconds = |text: &str, unit: f64| Duration::try_from_secs_f64(text.parse::<f64>().ok()? * unit).ok();
    let asked = text("retry-after-ms").and_then(|ms| seconds(ms, 0.001)).or_else(|| {
        let after = text(RETRY_AFTER.as_str())?;
        let date = || (DateTime::parse_from_rfc2822(after).ok()?.to_utc() - now).to_std().ok();
        seconds(after, 1.0).or_else(date)
    });
    asked.map(|pause| pause.min(PAUSE_LIMIT)).filter(|pause| !pause.is_zero())
}

#[cfg(test)]
mod tests {
    use hub_types::Clock;

    use super::*;

    fn error(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> LlmError {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let now = Clock::fixed_at("2026-11-23T10:00:00Z").now();
        Reject { secret: Some("hush") }.response(status, &map, body.as_bytes(), now)
    }

    #[test]
    fn each_refusal_has_its_kind() {
        let table = [
            (
                400,
                r#"{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
                "refused",
            ),
            (400, r#"{"error":{"message":"bad key","code":"invalid_api_key"}}"#, "credential"),
            (401, "{}", "credential"),
            (402, "", "quota"),
            (403, r#"{"error":{"message":"country"}}"#, "refused"),
            (404, r#"{"error":{"message":"no such model","code":"model_not_found"}}"#, "model_not_found"),
            (404, r#"{"error":"model 'x' not found"}"#, "model_not_found"),
            (404, "<html>", "protocol"),
            (408, "", "unavailable"),
            (409, "", "unavailable"),
            (413, "", "refused"),
            (422, r#"{"detail":[{"loc":["body"]}]}"#, "refused"),
            (429, "slow down", "rate_limited"),
            (429, r#"{"error":{"type":"insufficient_quota","code":null}}"#, "quota"),
            (500, "<html>oops", "unavailable"),
            (529, "", "unavailable"),
            (404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#, "model_not_found"),
            (429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"x"}}"#, "rate_limited"),
            (
                429,
                r#"{"type":"error","error":{"type":"rate_limit_error","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
                "quota",
            ),
            (529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, "unavailable"),
            (302, "", "protocol"),
        ];
        for (status, body, kind) in table {
            assert_eq!(error(status, &[], body).kind(), kind, "{status} {body}");
        }
    }

    #[test]
    fn every_shape_of_error_body_gives_its_message() {
        let table = [
            (r#"{"error":{"message":"a"}}"#, "a"),
            (r#"{"error":"b"}"#, "b"),
            (r#"{"object":"error","message":"c","code":40}"#, "c"),
            (r#"{"detail":"d"}"#, "d"),
            (r#"{"detail":[1]}"#, "[1]"),
            (r#"[{"error":{"message":"e"}}]"#, "e"),
            ("plain hush", "plain [redacted]"),
            ("<html>f</html>", "the provider gave no reason"),
            ("[]", "the provider gave no reason"),
        ];
        for (body, message) in table {
            assert_eq!(error(400, &[], body).fault().map(ProviderFault::message), Some(message), "{body}");
        }
    }

    #[test]
    fn a_pause_may_be_given_in_three_ways() {
        type Case = (&'static [(&'static str, &'static str)], Option<u64>);
        let table: [Case; 7] = [
            (&[("retry-after-ms", "1500"), ("retry-after", "9")], Some(1_500)),
            (&[("retry-after", "2")], Some(2_000)),
            (&[("retry-after", "0.5")], Some(500)),
            (&[("retry-after", "Mon, 23 Nov 2026 10:00:30 GMT")], Some(30_000)),
            (&[("retry-after", "Mon, 23 Nov 2026 09:00:00 GMT")], None),
            (&[("retry-after", "-3")], None),
            (&[("retry-after", "soon")], None),
        ];
        for (headers, expected) in table {
            let got = error(429, headers, "").retry_after();
            assert_eq!(got, expected.map(Duration::from_millis), "{headers:?}");
        }
        assert_eq!(error(503, &[("retry-after", "1e300")], "").retry_after(), None);
    }

    #[test]
    fn the_providers_advice_is_kept() {
        assert!(!error(503, &[("x-should-retry", "false")], "").retryable());
        assert!(error(400, &[("x-should-retry", "true")], "{}").retryable());
    }

    #[test]
    fn an_error_inside_a_good_answer_is_sorted_by_its_words() {
        let kind = |body: &str| Reject { secret: None }.answer(body.as_bytes()).kind();
        assert_eq!(kind(r#"{"error":{"message":"x","code":502}}"#), "unavailable");
        assert_eq!(kind(r#"{"error":{"message":"x","code":"429"}}"#), "rate_limited");
        assert_eq!(kind(r#"{"error":{"message":"x","type":"server_error"}}"#), "unavailable");
        assert_eq!(kind(r#"{"error":{"message":"x","code":"rate_limit_exceeded"}}"#), "rate_limited");
        assert_eq!(kind(r#"{"error":{"message":"x","type":"invalid_request_error"}}"#), "refused");
        for quota in [
            r#"{"error":{"message":"x","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            r#"{"error":{"message":"x","type":"insufficient_quota","code":429}}"#,
            r#"{"type":"error","error":{"type":"rate_limit_error","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
            r#"{"type":"error","error":{"type":"billing_error","message":"x"}}"#,
        ] {
            assert_eq!(kind(quota), "quota", "{quota}");
        }
    }
}
