//! A chat caller served by an Anthropic provider (providers.md §4.1, §4.2).

mod answer;
mod blocks;
mod effort;
mod request;
mod stream;

pub(crate) use answer::whole;
pub(crate) use request::{Target, request};
pub(crate) use stream::Teller;

/// Why a choice ended, in OpenAI's words.
pub(super) fn finish_reason(stop_reason: &str) -> &'static str {
    match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        _ => "stop",
    }
}
