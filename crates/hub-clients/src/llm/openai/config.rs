//! What an operator says about an OpenAI-compatible upstream, and its check.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::llm::{MaxTokensField, ModelInfo, OnHangup, TransportError, count};

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
    /// The name under which it takes the limit of completion tokens.
    pub max_tokens_field: MaxTokensField,
    /// Its deadlines.
    pub timeouts: Timeouts,
    /// What to do with a stream whose caller has gone.
    pub on_hangup: OnHangup,
    /// Models it has but does not list.
    pub extra_models: Vec<ModelInfo>,
    /// Tokens to allow for each picture in the bound.
    pub image_tokens: i64,
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
            max_tokens_field: MaxTokensField::default(),
            timeouts: Timeouts::default(),
            // A provider goes on generating, and billing, when nobody reads; only the last chunk says how much.
            on_hangup: OnHangup::Drain { limit: Duration::from_mins(1) },
            extra_models: Vec::new(),
            image_tokens: count::IMAGE_TOKENS,
            pool_max_idle: 256,
        }
    }

    pub(super) fn checked_base(&self) -> Result<Url, ConfigError> {
        let base = &self.base_url;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(ConfigError::BaseUrl("must be an http or https address"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(ConfigError::BaseUrl("must not carry a user name or password"));
        }
        if base.fragment().is_some() {
            return Err(ConfigError::BaseUrl("must not carry a fragment"));
        }
        Ok(base.clone())
    }
}

/// Deadlines of one upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Making a connection, TLS included.
    pub connect: Duration,
    /// From sending a request to the answer's head, and from there to the first byte of a stream.
    pub first_byte: Duration,
    /// Between two pieces of an answer. Models that think in silence may need more than the default.
    pub idle: Duration,
    /// From sending a request to the last byte of an answer that is not a stream.
    pub whole: Duration,
    /// From the head of a streamed answer to its end, however lively it is.
    pub total: Duration,
    /// How long an unused connection is kept.
    pub pool_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_mins(1),
            idle: Duration::from_mins(1),
            whole: Duration::from_mins(10),
            total: Duration::from_mins(30),
            pool_idle: Duration::from_secs(90),
        }
    }
}

/// The configuration cannot be used. Shows no secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The base address.
    #[error("base_url {0}")]
    BaseUrl(&'static str),
    /// The key holds characters that no header can carry.
    #[error("api_key holds characters that cannot be sent")]
    Key,
    /// The client could not be built; usually no root certificates are installed.
    #[error("the HTTP client cannot be built")]
    Client(#[source] TransportError),
}

/// `base` with path segments added; its query stays.
pub(super) fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_joined_with_and_without_a_last_slash_and_keeps_its_query() {
        let joined = |base: &str| join(&base.parse().unwrap(), &["chat", "completions"]).to_string();
        assert_eq!(joined("https://a.b/v1"), "https://a.b/v1/chat/completions");
        assert_eq!(joined("https://a.b/v1/"), "https://a.b/v1/chat/completions");
        assert_eq!(joined("http://a.b:8?api-version=1"), "http://a.b:8/chat/completions?api-version=1");
    }

    #[test]
    fn addresses_that_leak_or_lead_nowhere_are_refused() {
        for bad in ["ftp://a.b/v1", "https://u:p@a.b/v1", "https://a.b/v1#x", "mailto:a@b.c"] {
            let config = OpenAiConfig::new("x", "x", bad.parse().unwrap());
            assert!(config.checked_base().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_debug_text_shows_no_key() {
        let mut config = OpenAiConfig::new("x", "x", "https://a.b".parse().unwrap());
        config.api_key = Some("hush-hush".into());
        assert!(!format!("{config:?}").contains("hush"));
    }
}
