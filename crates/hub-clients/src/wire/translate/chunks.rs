//! Chat chunks for whoever tells another wire's stream as chat.

use bytes::Bytes;
use hub_types::TokenUsage;
use serde_json::{Value, json};

use super::write_data;
use crate::wire::openai::usage_json;

/// Writes the chunks of one answer, all of one choice.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// The answer's id, the same in every chunk.
    pub(super) id: String,
    /// The model that answers.
    pub(super) model: String,
    /// When the answer began, in seconds since 1970.
    pub(super) created: i64,
}

impl Chunks {
    /// A chunk that adds `delta`, the last one with the reason why the choice ended.
    pub(super) fn chunk(&self, delta: &Value, finish: Option<&str>) -> Bytes {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        self.write(&json!([choice]), None)
    }

    /// The chunk without choices that says what the answer consumed.
    pub(super) fn usage(&self, usage: &TokenUsage) -> Bytes {
        self.write(&json!([]), Some(usage))
    }

    fn write(&self, choices: &Value, usage: Option<&TokenUsage>) -> Bytes {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage_json(usage);
        }
        let mut out = Vec::with_capacity(256);
        write_data(&mut out, &chunk);
        out.into()
    }
}
