//! The sandbox's answers as bytes, in the very shape OpenAI uses (providers.md §1.2, §1.3).

use std::fmt::Write as _;

use bytes::Bytes;
use hub_types::{Timestamp, TokenUsage};
use serde_json::{Value, json};

use super::script::Script;

/// What all documents of one answer begin with.
pub(super) struct Head {
    id: String,
    created: i64,
    model: String,
    /// The start of every chunk, up to its choices; made once per answer.
    chunk: String,
}

impl Head {
    pub(super) fn new(request_id: &str, now: Timestamp, model: &str) -> Self {
        let (id, created) = (format!("chatcmpl-sandbox-{request_id}"), now.timestamp());
        let chunk = format!(
            "data: {{\"id\":{},\"object\":\"chat.completion.chunk\",\"created\":{created},\"model\":{},\
             \"system_fingerprint\":\"sandbox\",\"choices\":[",
            quoted(&id),
            quoted(model)
        );
        Self { id, created, model: model.to_owned(), chunk }
    }

    /// The whole answer.
    pub(super) fn whole(&self, script: &Script) -> Bytes {
        let text = script.words.join(" ");
        let choices: Vec<Value> = (0..script.choices)
            .map(|index| {
                json!({
                    "index": index,
                    "message": {"role": "assistant", "content": text, "refusal": null, "annotations": []},
                    "logprobs": null,
                    "finish_reason": script.finish,
                })
            })
            .collect();
        let mut answer = json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "service_tier": "default",
            "system_fingerprint": "sandbox",
        });
        if script.with_usage {
            answer["usage"] = usage_json(&script.usage());
        }
        answer.to_string().into()
    }

    /// The first chunk of a choice.
    pub(super) fn role(&self, choice: usize) -> Bytes {
        self.choice(choice, "\"role\":\"assistant\",\"content\":\"\"", None)
    }

    /// A chunk that adds text.
    pub(super) fn text(&self, choice: usize, text: &str) -> Bytes {
        self.choice(choice, &format!("\"content\":{}", quoted(text)), None)
    }

    /// The last chunk of a choice.
    pub(super) fn finish(&self, choice: usize, reason: &str) -> Bytes {
        self.choice(choice, "", Some(reason))
    }

    /// The chunk with usage and without choices.
    pub(super) fn usage(&self, usage: &TokenUsage) -> Bytes {
        format!("{}],\"usage\":{}}}\n\n", self.chunk, usage_json(usage)).into()
    }

    fn choice(&self, index: usize, delta: &str, finish: Option<&str>) -> Bytes {
        let mut out = String::with_capacity(self.chunk.len() + delta.len() + 80);
        out.push_str(&self.chunk);
        let reason = finish.map_or_else(|| "null".to_owned(), quoted);
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "{{\"index\":{index},\"delta\":{{{delta}}},\"logprobs\":null,\"finish_reason\":{reason}}}]}}\n\n"
        );
        out.into()
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn usage_json(usage: &TokenUsage) -> Value {
    json!({
        "prompt_tokens": usage.prompt(),
        "completion_tokens": usage.completion(),
        "total_tokens": usage.total(),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}
