//! The model providers, best first, and the sandbox.

use hub_domain::inference::{self, Dialect, Wire};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// One entry of `[[providers]]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The operator's name for it: on receipts and metrics. Unique; a-z, 0-9, `-`, `_`, at most 40 characters.
    pub name: String,
    /// The protocol it speaks: `openai` or `anthropic`.
    #[serde(default)]
    pub kind: ProviderKind,
    /// The word under which its models have prices; when not given, `claude` for Anthropic's protocol and else the name.
    pub service: Option<String>,
    /// Everything before `/chat/completions` or `/v1/messages`.
    pub base_url: Url,
    /// Its credential; some local servers need none.
    pub api_key: Option<SecretString>,
    /// More credentials, beside `api_key`, which is called `default`.
    #[serde(default)]
    pub credentials: Vec<Credential>,
    /// Lower ones are tried first, 0 to 1000; of equals the first in the file.
    #[serde(default = "usual_priority")]
    pub priority: i32,
    /// Calls at the same time, of all processes together; 0 to 10000, 0 for no ceiling.
    #[serde(default)]
    pub max_concurrent: u32,
    /// Calls in any 60 seconds; 0 to 10000, 0 for no ceiling.
    #[serde(default)]
    pub requests_per_minute: u32,
    /// Tokens in any 60 seconds, prompt and answer; 0 for no ceiling.
    #[serde(default)]
    pub tokens_per_minute: u32,
    /// The name under which it takes the limit of completion tokens in chat.
    #[serde(default)]
    pub max_tokens_field: TokensField,
    /// For OpenAI's protocol: the wires it speaks, `chat` or `responses` among them; calls of the others are carried as chat, or as responses
    /// where chat is not among them. When not given, what OpenAI speaks: `responses`, and `completions` for those of its models that know them; with `max_tokens_field = "max_tokens"`, which is for
    /// other servers, only `chat`.
    pub wires: Option<Vec<Wire>>,
    /// Types of tools that it may run itself, such as `web_search`, with or without their dates, and fields that switch such on:
    /// `web_search_options`, `plugins`, `mcp_servers`, `container`; at most 20 of 1 to 64 of a-z, 0-9 and `_`. Their fees are the operator's.
    #[serde(default)]
    pub hosted_tools: Vec<String>,
    /// For Anthropic's protocol: the version under which calls that come in another wire are sent.
    #[serde(default)]
    pub version: AnthropicVersion,
    /// What becomes of a field of a call in another wire that has no place in the provider's.
    #[serde(default)]
    pub untranslatable: Untranslatable,
    /// Seconds to connect; 1 to 60.
    #[serde(default = "connect_seconds")]
    pub connect_seconds: u64,
    /// Seconds to the first byte of an answer; 1 to 900.
    #[serde(default = "minute")]
    pub first_byte_seconds: u64,
    /// Seconds between two pieces of an answer; 1 to 900.
    #[serde(default = "minute")]
    pub idle_seconds: u64,
    /// Seconds for a whole answer that is not a stream; 1 to 3600.
    #[serde(default = "whole_seconds")]
    pub whole_seconds: u64,
    /// Seconds for a whole stream; 1 to 7200.
    #[serde(default = "stream_seconds")]
    pub stream_seconds: u64,
    /// What becomes of a stream whose caller has gone.
    #[serde(default)]
    pub on_hangup: WhenHungUp,
    /// With `on_hangup = "drain"`: seconds to go on reading; 1 to 600.
    #[serde(default = "minute")]
    pub hangup_seconds: u64,
}

impl Provider {
    /// An OpenAI-compatible provider with every default.
    pub fn new(name: &str, base_url: Url) -> Self {
        Self {
            name: name.to_owned(),
            kind: ProviderKind::Openai,
            service: None,
            base_url,
            api_key: None,
            credentials: Vec::new(),
            priority: usual_priority(),
            max_concurrent: 0,
            requests_per_minute: 0,
            tokens_per_minute: 0,
            max_tokens_field: TokensField::default(),
            wires: None,
            hosted_tools: Vec::new(),
            version: AnthropicVersion::default(),
            untranslatable: Untranslatable::default(),
            connect_seconds: connect_seconds(),
            first_byte_seconds: minute(),
            idle_seconds: minute(),
            whole_seconds: whole_seconds(),
            stream_seconds: stream_seconds(),
            on_hangup: WhenHungUp::default(),
            hangup_seconds: minute(),
        }
    }

    /// The kind by which the rest of the hub knows it.
    pub fn known_kind(&self) -> inference::ProviderKind {
        match (self.kind, self.max_tokens_field) {
            (ProviderKind::Anthropic, _) => inference::ProviderKind::Anthropic,
            (ProviderKind::Openai, TokensField::MaxTokens) => inference::ProviderKind::Compatible,
            (ProviderKind::Openai, TokensField::MaxCompletionTokens) => inference::ProviderKind::Openai,
        }
    }

    /// What the operator says of what it speaks.
    pub fn dialect(&self) -> Dialect {
        Dialect { wires: self.wires.clone(), hosted_tools: self.hosted_tools.clone() }
    }
}

/// `[[providers.credentials]]`: one more credential of a provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Your name for it, on receipts; a-z, 0-9, `-`, `_`, at most 40 characters.
    pub label: String,
    /// The secret.
    pub api_key: SecretString,
    /// Its part of the calls among the credentials of the same priority; 1 to 1000.
    #[serde(default = "one")]
    pub weight: u32,
    /// Lower ones are tried first; 0 to 1000.
    #[serde(default)]
    pub priority: i32,
}

/// Protocols of providers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// OpenAI's chat protocol, which most servers speak.
    #[default]
    Openai,
    /// Anthropic's messages protocol.
    Anthropic,
}

/// See `Provider::version`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum AnthropicVersion {
    /// The first one; models that still take sampling parameters are sent them.
    #[serde(rename = "2023-06-01")]
    V20230601,
    /// The newest; no sampling parameters.
    #[default]
    #[serde(rename = "2026-10-21")]
    V20261021,
}

/// See `Provider::untranslatable`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Untranslatable {
    /// Leave it out and name it in the answer's header `x-hub-dropped`.
    #[default]
    Drop,
    /// Refuse the call.
    Refuse,
}

/// See `Provider::max_tokens_field`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokensField {
    /// OpenAI's own.
    #[default]
    MaxCompletionTokens,
    /// The older name, for most other servers.
    MaxTokens,
}

/// See `Provider::on_hangup`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenHungUp {
    /// Go on reading for the usage, because the provider bills what it generates.
    #[default]
    Drain,
    /// Stop at once: for servers that stop generating when nobody reads.
    Cancel,
}

const fn one() -> u32 {
    1
}

const fn usual_priority() -> i32 {
    inference::USUAL_PRIORITY
}

const fn connect_seconds() -> u64 {
    5
}

const fn minute() -> u64 {
    60
}

const fn whole_seconds() -> u64 {
    600
}

const fn stream_seconds() -> u64 {
    1800
}

/// `[sandbox]` in `hub.toml`: the provider inside the hub.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sandbox {
    /// Whether it is offered. Without it: yes on the embedded database, no on PostgreSQL.
    pub enabled: Option<bool>,
    /// Milliseconds before each word of its answers; 0 to 1000.
    pub delay_ms: u64,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self { enabled: None, delay_ms: 15 }
    }
}
