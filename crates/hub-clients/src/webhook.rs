//! Telling somebody's own server that something happened: one signed `POST` to an address that a member chose.
//!
//! The address must not lead into the operator's network: literal addresses are looked at, names are resolved once and the connection goes
//! to what was found ([`crate::public`]). Nothing of the answer but its status is read, and no redirect is followed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use url::Url;

use crate::llm::TransportError;
use crate::public::{OutsideOnly, may_lead_outside};

/// Making a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// One request, from its first byte to the status of its answer.
const TOTAL: Duration = Duration::from_secs(10);
/// Longest address, in characters.
const LONGEST: usize = 500;
const USER_AGENT: &str = concat!("smart-ai-hub/", env!("CARGO_PKG_VERSION"));

/// The address cannot be told anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookUrlError {
    /// Not an absolute address without credentials, or too long.
    #[error("must be an https address of at most 500 characters without a user name")]
    Unusable,
    /// It leads into a private network.
    #[error("must not be a private address")]
    Private,
}

/// A message was not taken. Texts are for operators: none holds the address or the message.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The address is none, or a private one.
    #[error("the webhook's address {0}")]
    Url(#[from] WebhookUrlError),
    /// The receiver is gone for good (410).
    #[error("the webhook's receiver is gone")]
    Gone,
    /// The receiver answered with an error.
    #[error("the webhook's receiver answered {0}")]
    Refused(u16),
    /// The receiver cannot be reached, or its name leads inside.
    #[error("the webhook's receiver cannot be reached")]
    Unreachable(#[source] TransportError),
}

impl WebhookError {
    /// True when sending the same message again cannot help.
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::Url(_) | Self::Gone => true,
            Self::Refused(_) | Self::Unreachable(_) => false,
        }
    }
}

/// One message.
pub struct WebhookMessage<'a> {
    /// To where.
    pub url: &'a str,
    /// What happened, such as `credits.balance_low`; the header `x-hub-event`.
    pub event: &'a str,
    /// The same for every attempt; the header `x-hub-delivery`.
    pub delivery: &'a str,
    /// The header `x-hub-signature`.
    pub signature: &'a str,
    /// JSON.
    pub body: String,
}

/// The client of all webhooks.
#[derive(Clone)]
pub struct WebhookClient {
    client: Client,
    private: bool,
}

impl fmt::Debug for WebhookClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookClient").field("private", &self.private).finish_non_exhaustive()
    }
}

impl WebhookClient {
    /// A client; with `private` also to private addresses and without TLS, for networks where every member is trusted.
    pub fn new(private: bool) -> Result<Self, TransportError> {
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .pool_max_idle_per_host(0);
        if !private {
            builder = builder.dns_resolver(Arc::new(OutsideOnly));
        }
        Ok(Self { client: builder.build()?, private })
    }

    /// Reads an address; names are looked up only when something is sent.
    pub fn check(&self, text: &str) -> Result<Url, WebhookUrlError> {
        let url: Url = text.parse().map_err(|_| WebhookUrlError::Unusable)?;
        let scheme = url.scheme() == "https" || (self.private && url.scheme() == "http");
        if !scheme || text.len() > LONGEST || !url.username().is_empty() || url.password().is_some() {
            return Err(WebhookUrlError::Unusable);
        }
        if url.host().is_none() {
            return Err(WebhookUrlError::Unusable);
        }
        if self.private || may_lead_outside(&url) { Ok(url) } else { Err(WebhookUrlError::Private) }
    }

    /// Sends one message. `Ok`: the receiver answered 2xx.
    pub async fn send(&self, message: WebhookMessage<'_>) -> Result<(), WebhookError> {
        let url = self.check(message.url)?;
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json");
        let request = request.header("x-hub-event", message.event).header("x-hub-delivery", message.delivery);
        let request = request.header("x-hub-signature", message.signature).body(message.body);
        let response = request.send().await.map_err(|error| WebhookError::Unreachable(error.into()))?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            410 => Err(WebhookError::Gone),
            status => Err(WebhookError::Refused(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_outside_are_told_anything() {
        let client = WebhookClient::new(false).unwrap();
        for (url, expected) in [
            ("https://hooks.example.com/a?b=c", Ok(())),
            ("http://hooks.example.com/", Err(WebhookUrlError::Unusable)),
            ("https://ada:secret@hooks.example.com/", Err(WebhookUrlError::Unusable)),
            ("file:///etc/passwd", Err(WebhookUrlError::Unusable)),
            ("/relative", Err(WebhookUrlError::Unusable)),
            ("https://127.0.0.1/", Err(WebhookUrlError::Private)),
            ("https://2130706433/", Err(WebhookUrlError::Private)),
            ("https://169.254.169.254/latest", Err(WebhookUrlError::Private)),
            ("https://[::ffff:10.0.0.1]/", Err(WebhookUrlError::Private)),
            ("https://localhost/", Err(WebhookUrlError::Private)),
        ] {
            assert_eq!(client.check(url).map(drop), expected, "{url}");
        }
        assert!(WebhookClient::new(true).unwrap().check("http://127.0.0.1:8080/").is_ok());
    }
}
