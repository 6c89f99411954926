//! What an operator says about an OpenAI-compatible upstream, and its check.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::llm::http::Timeouts;
use crate::llm::{MaxTokensField, ModelInfo, OnHangup, count};

/// What a server speaks of OpenAI's wires. Calls of the others are carried as chat, or as responses where it speaks no chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wires {
    /// `/chat/completions`.
    pub chat: bool,
    /// `/responses`; spoken by all who speak no chat.
    pub responses: bool,
    /// `/completions`.
    pub completions: Completions,
}

/// Which models are reached by `/completions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completions {
    /// None.
    Never,
    /// Those of OpenAI that know them: its newer ones answer only in chat.
    Known,
    /// All.
    Always,
}

/// Beginnings of names of OpenAI's models that refuse the old completions.
const CHAT_ONLY: [&str; 8] = ["gpt-3.5-turbo", "gpt-4", "gpt-5", "gpt-6", "chatgpt-", "o1", "o3", "o4"];

impl Completions {
    /// Whether the model of this name is reached by `/completions`.
    pub fn knows(self, model: &str) -> bool {
        match self {
            Self::Never => false,
            Self::Known => model.contains("instruct") || !CHAT_ONLY.iter().any(|name| model.starts_with(name)),
            Self::Always => true,
        }
    }
}

impl Wires {
    /// What OpenAI itself speaks, with each model in the wires it knows.
    pub const ALL: Self = Self { chat: true, responses: true, completions: Completions::Known };
    /// Nothing but chat, as most other servers.
    pub const CHAT: Self = Self { chat: true, responses: false, completions: Completions::Never };
}

/// One upstream.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// The operator's name for it; metrics label.
    pub name: String,
    /// The usage log's `service`.
    pub service: String,
    /// Everything before `/chat/completions`, such as `https://api.openai.com/v1`. A query is kept on every call.
    pub base_url: Url,
    /// Sent as a bearer token; some local servers need none.
    pub api_key: Option<SecretString>,
    /// What it speaks.
    pub wires: Wires,
    /// Types of tools that it may run itself, with or without their dates, and fields of chat that switch such on. Their fees are the
    /// operator's: the hub has no price for them.
    pub hosted_tools: Vec<String>,
    /// The name under which it takes the limit of completion tokens in chat.
    pub max_tokens_field: MaxTokensField,
    /// Its deadlines.
    pub timeouts: Timeouts,
    /// What to do with a stream whose caller has gone.
    pub on_hangup: OnHangup,
    /// Models it has but does not list.
    pub extra_models: Vec<ModelInfo>,
    /// Tokens to allow for each picture in the bound.
    pub image_tokens: i64,
    /// Whether a call of another wire is refused when a field of it has no place in the wire it is carried in; else the field is left out.
    pub refuse_dropped: bool,
    /// Whether a name that leads into a private network is refused: for upstreams that were named while the hub ran.
    pub outside_only: bool,
    /// Most idle connections kept open.
    pub pool_max_idle: usize,
}

impl OpenAiConfig {
    /// OpenAI's own protocol and the house's limits at `base_url`.
    pub fn new(name: &str, service: &str, base_url: Url) -> Self {
        Self {
            name: name.to_owned(),
            service: service.to_owned(),
            base_url,
            api_key: None,
            wires: Wires::ALL,
            hosted_tools: Vec::new(),
            max_tokens_field: MaxTokensField::default(),
            timeouts: Timeouts::default(),
            // A provider goes on generating, and billing, when nobody reads; only the last chunk says how much.
            on_hangup: OnHangup::Drain { limit: Duration::from_mins(1) },
            extra_models: Vec::new(),
            image_tokens: count::IMAGE_TOKENS,
            refuse_dropped: false,
            outside_only: false,
            pool_max_idle: 256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_text_shows_no_key() {
        let mut config = OpenAiConfig::new("x", "x", "https://a.b".parse().unwrap());
        config.api_key = Some("hush-hush".into());
        assert!(!format!("{config:?}").contains("hush"));
    }
}
