//! A messages caller served by a provider that speaks OpenAI's chat (providers.md §4.3).

mod answer;
mod request;
mod stream;

pub(crate) use answer::whole;
pub(crate) use request::request;
pub(crate) use stream::Teller;

use hub_types::TokenUsage;
use serde_json::{Value, json};

/// Why a message ended, in Anthropic's words.
fn stop_reason(finish_reason: &str) -> &'static str {
    match finish_reason {
        "length" => "max_tokens",
        "tool_calls" | "function_call" => "tool_use",
        "content_filter" => "refusal",
        _ => "end_turn",
    }
}

/// Anthropic's classes, which do not overlap.
fn usage_json(usage: &TokenUsage) -> Value {
    let basic = usage.coarse();
    json!({
        "input_tokens": basic.input,
        "cache_creation_input_tokens": basic.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.completion(),
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    })
}
