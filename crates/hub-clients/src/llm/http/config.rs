//! What an operator says about any upstream over HTTP, and its check.

use std::time::Duration;

use url::Url;

use crate::llm::TransportError;
use crate::public::may_lead_outside;

/// Longest address that is taken while the hub runs, in characters.
const LONGEST: usize = 500;

/// Errors unless calls can be sent to this address.
pub(in crate::llm) fn check_base(base: &Url) -> Result<(), ConfigError> {
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
        return Err(ConfigError::BaseUrl("must be an http or https address"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(ConfigError::BaseUrl("must not carry a user name or password"));
    }
    if base.fragment().is_some() {
        return Err(ConfigError::BaseUrl("must not carry a fragment"));
    }
    Ok(())
}

/// Reads the address of an upstream that somebody named while the hub ran. Unless `private` ones are fine, it must speak TLS and not lead
/// into the operator's own network; names are looked at again whenever a connection is made, see `outside_only`.
pub fn check_address(text: &str, private: bool) -> Result<Url, ConfigError> {
    let url: Url = text.parse().map_err(|_| ConfigError::BaseUrl("must be an http or https address"))?;
    check_base(&url)?;
    if text.len() > LONGEST {
        return Err(ConfigError::BaseUrl("must have at most 500 characters"));
    }
    if url.query().is_some() {
        return Err(ConfigError::BaseUrl("must not carry a query"));
    }
    if !private && url.scheme() != "https" {
        return Err(ConfigError::BaseUrl("must be an https address"));
    }
    if !private && !may_lead_outside(&url) {
        return Err(ConfigError::BaseUrl("must not be a private address"));
    }
    Ok(url)
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
pub(in crate::llm) fn join(base: &Url, segments: &[&str]) -> Url {
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
    fn an_address_named_while_the_hub_runs_leads_outside() {
        for inside in [
            "http://a.example/v1",
            "https://127.0.0.1/v1",
            "https://localhost./v1",
            "https://[::ffff:10.0.0.1]/v1",
            "https://169.254.169.254/latest",
            "https://a.example/v1?key=1",
            "https://0x7f000001/",
            "nothing",
        ] {
            assert!(check_address(inside, false).is_err(), "{inside}");
        }
        assert!(check_address("https://a.example/v1", false).is_ok());
        assert!(check_address("http://127.0.0.1:8080/v1", true).is_ok());
    }

    #[test]
    fn addresses_that_leak_or_lead_nowhere_are_refused() {
        for bad in ["ftp://a.b/v1", "https://u:p@a.b/v1", "https://a.b/v1#x", "mailto:a@b.c"] {
            assert!(check_base(&bad.parse().unwrap()).is_err(), "{bad}");
        }
    }
}
