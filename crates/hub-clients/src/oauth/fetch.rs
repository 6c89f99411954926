//! Requests to a provider, with everything bounded: time, size, redirects (none), addresses.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use url::Url;

use super::config::{ClientAuth, OAuthConfig, OAuthConfigError};
use super::error::OAuthError;
use crate::public::OutsideOnly;

/// Making a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// One request, from its first byte to the last of its answer.
const TOTAL: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
pub(super) const LIMIT: usize = 1024 * 1024;
const USER_AGENT: &str = concat!("smart-ai-hub/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The client of one provider.
pub(super) struct Fetcher {
    client: Client,
}

/// A whole answer.
pub(super) struct Fetched {
    pub(super) status: u16,
    body: Vec<u8>,
}

impl Fetched {
    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, what: &'static str) -> Result<T, OAuthError> {
        serde_json::from_slice(&self.body).map_err(|_| OAuthError::Protocol(what))
    }

    /// The body as JSON, if the status is 200.
    pub(super) fn good<T: DeserializeOwned>(&self, what: &'static str) -> Result<T, OAuthError> {
        if self.status == 200 {
            self.json(what)
        } else {
            Err(OAuthError::Refused { status: self.status, error: word(self) })
        }
    }
}

impl Fetcher {
    pub(super) fn new(config: &OAuthConfig) -> Result<Self, OAuthConfigError> {
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .pool_max_idle_per_host(4);
        if !config.allow_private_addresses {
            builder = builder.dns_resolver(std::sync::Arc::new(OutsideOnly));
        }
        let client = builder.build().map_err(|source| OAuthConfigError::Client(source.into()))?;
        Ok(Self { client })
    }

    /// `GET`, with a bearer token where one is given.
    pub(super) async fn get(&self, url: &Url, bearer: Option<&str>) -> Result<Fetched, OAuthError> {
        let mut request = self.client.get(url.clone());
        if let Some(token) = bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| OAuthError::Protocol("the access token cannot be sent"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        send(request).await
    }

    /// `POST` of a form as this client.
    pub(super) async fn post_form(
        &self,
        url: &Url,
        config: &OAuthConfig,
        fields: &[(&str, &str)],
    ) -> Result<Fetched, OAuthError> {
        let mut request = self.client.post(url.clone()).header(CONTENT_TYPE, FORM);
        if let (Some(secret), ClientAuth::Basic) = (&config.client_secret, config.client_auth) {
            // Both are form-encoded first (RFC 6749 §2.3.1).
            request = request.basic_auth(encoded(&config.client_id), Some(encoded(secret.expose_secret())));
        }
        send(request.body(form(config, fields))).await
    }
}

/// The body, with our credential where it is not in a header.
fn form(config: &OAuthConfig, fields: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    match (&config.client_secret, config.client_auth) {
        (Some(_), ClientAuth::Basic) => {}
        (Some(secret), ClientAuth::Post) => {
            form.append_pair("client_id", &config.client_id).append_pair("client_secret", secret.expose_secret());
        }
        (None, _) => {
            form.append_pair("client_id", &config.client_id);
        }
    }
    form.finish()
}

async fn send(request: RequestBuilder) -> Result<Fetched, OAuthError> {
    let mut response = request.header(ACCEPT, JSON).send().await.map_err(transport)?;
    let status = response.status();
    if status.is_redirection() {
        return Err(OAuthError::Protocol("a redirect"));
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(transport)? {
        if body.len() + piece.len() > LIMIT {
            return Err(OAuthError::TooLarge { limit: LIMIT });
        }
        body.extend_from_slice(&piece);
    }
    Ok(Fetched { status: status.as_u16(), body })
}

fn transport(error: reqwest::Error) -> OAuthError {
    if error.is_timeout() { OAuthError::Timeout } else { OAuthError::Unreachable(error.into()) }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The error code in an answer, if it looks like one: the text goes into our log.
pub(super) fn word(answer: &Fetched) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = body.get("error").and_then(serde_json::Value::as_str).unwrap_or_default();
    let sane = (1..=40).contains(&error.len()) && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if sane { error.to_owned() } else { "unknown".to_owned() }
}
