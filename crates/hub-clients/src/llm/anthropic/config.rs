//! What an operator says about an upstream that speaks Anthropic's messages.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::llm::http::Timeouts;
use crate::llm::{ApiVersion, OnHangup, count};

/// One upstream.
#[derive(Debug, Clone)]
pub struct AnthropicConfig {
    /// The operator's name for it; metrics label.
    pub name: String,
    /// The usage log's `service`.
    pub service: String,
    /// Everything before `/v1/messages`, such as `https://api.anthropic.com`; a last `/v1` is taken off.
    pub base_url: Url,
    /// Sent as `x-api-key`.
    pub api_key: Option<SecretString>,
    /// The version under which calls of other wires are sent. A messages call goes under its caller's own.
    pub version: ApiVersion,
    /// Types of tools that it may run itself, with or without their dates, and fields that switch such on. Their fees are the operator's: the
    /// hub has no price for them.
    pub hosted_tools: Vec<String>,
    /// Its deadlines.
    pub timeouts: Timeouts,
    /// What to do with a stream whose caller has gone.
    pub on_hangup: OnHangup,
    /// Tokens to allow for each picture in the bound.
    pub image_tokens: i64,
    /// Whether a call of another wire is refused when a field of it has no place in a messages request; else the field is left out.
    pub refuse_dropped: bool,
    /// Whether a name that leads into a private network is refused: for upstreams that were named while the hub ran.
    pub outside_only: bool,
    /// Most idle connections kept open.
    pub pool_max_idle: usize,
}

impl AnthropicConfig {
    /// Anthropic's newest version and the house's limits at `base_url`.
    pub fn new(name: &str, service: &str, base_url: Url) -> Self {
        Self {
            name: name.to_owned(),
            service: service.to_owned(),
            base_url,
            api_key: None,
            version: ApiVersion::default(),
            hosted_tools: Vec::new(),
            timeouts: Timeouts::default(),
            // The true number of output tokens stands in the last event but one.
            on_hangup: OnHangup::Drain { limit: Duration::from_mins(1) },
            image_tokens: count::IMAGE_TOKENS,
            refuse_dropped: false,
            outside_only: false,
            pool_max_idle: 256,
        }
    }

    /// The segments before `messages`: SDKs name the host, OpenAI's habit names `/v1` as well.
    pub(super) fn segments<'a>(&self, rest: &[&'a str]) -> Vec<&'a str> {
        let last = self.base_url.path_segments().and_then(|path| path.rev().find(|segment| !segment.is_empty()));
        let version = if last == Some("v1") { None } else { Some("v1") };
        version.into_iter().chain(rest.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::http::join;

    #[test]
    fn an_address_may_name_the_version_or_not() {
        for base in ["https://a.b", "https://a.b/", "https://a.b/v1", "https://a.b/v1/"] {
            let config = AnthropicConfig::new("x", "x", base.parse().unwrap());
            let url = join(&config.base_url, &config.segments(&["messages"]));
            assert_eq!(url.as_str(), "https://a.b/v1/messages", "{base}");
        }
    }
}
