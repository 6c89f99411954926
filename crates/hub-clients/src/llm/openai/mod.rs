//! The adapter for OpenAI and for every server that speaks its chat protocol.
//!
//! Bytes go through as they are; see [`ChatRequest::encode`] for the few fields that are written. One pooled client per
//! upstream, no redirects, no proxy from the environment, and a deadline on every wait.

mod answer;
mod config;
mod fault;
mod stream;

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use hub_types::Clock;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

pub use config::{ConfigError, OpenAiConfig, Timeouts};

use self::fault::Reject;
use super::{
    ChatAnswer, ChatCall, ChatRequest, ChatStream, Edits, LlmError, LlmProvider, ModelInfo, OnHangup, TokenBound,
    TransportError, Wait, count,
};

/// Largest answer that is not a stream, in bytes.
pub const ANSWER_LIMIT: usize = 32 * 1024 * 1024;
/// Largest list of models, in bytes.
const MODELS_LIMIT: usize = 4 * 1024 * 1024;
/// Most models taken from a list.
const MODEL_COUNT_LIMIT: usize = 5_000;
const USER_AGENT: &str = concat!("smart-ai-hub/", env!("CARGO_PKG_VERSION"));
/// Our id of the request, for the provider's logs.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An upstream that speaks OpenAI's chat protocol.
pub struct OpenAiProvider {
    config: OpenAiConfig,
    client: Client,
    chat_url: Url,
    models_url: Url,
    authorization: Option<HeaderValue>,
    clock: Clock,
}

impl OpenAiProvider {
    /// Checks the configuration and builds the client. `clock` is needed to read a `Retry-After` that is a date.
    pub fn new(config: OpenAiConfig, clock: Clock) -> Result<Self, ConfigError> {
        let base = config.checked_base()?;
        let authorization = config.api_key.as_ref().map(authorization).transpose()?;
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(config.timeouts.connect)
            .pool_idle_timeout(config.timeouts.pool_idle)
            .pool_max_idle_per_host(config.pool_max_idle)
            .build()
            .map_err(|source| ConfigError::Client(source.into()))?;
        Ok(Self {
            chat_url: config::join(&base, &["chat", "completions"]),
            models_url: config::join(&base, &["models"]),
            authorization,
            client,
            config,
            clock,
        })
    }

    async fn chat_once(&self, call: ChatCall) -> Result<ChatAnswer, LlmError> {
        let body = call.request.encode(Edits {
            model: &call.upstream_model,
            max_output: call.max_output,
            max_tokens_field: self.config.max_tokens_field,
            include_usage: true,
        });
        let streams = call.request.stream();
        let accept = if streams { "text/event-stream" } else { "application/json" };
        let mut request = self
            .client
            .post(self.chat_url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ACCEPT, HeaderValue::from_static(accept))
            .body(body);
        if let Ok(id) = HeaderValue::from_str(&call.request_id) {
            request = request.header(CLIENT_REQUEST_ID, id);
        }
        if streams { self.stream(request, call.request.choices()).await } else { self.whole(request).await }
    }

    async fn whole(&self, request: RequestBuilder) -> Result<ChatAnswer, LlmError> {
        // The first byte comes when all has been generated, so head and body share one long deadline.
        let limit = self.config.timeouts.whole;
        let (upstream_id, body) = in_time(limit, async {
            let response = self.send(request).await?;
            let upstream_id = request_id(response.headers());
            Ok((upstream_id, read_body(response, ANSWER_LIMIT, self.config.timeouts.idle).await?))
        })
        .await?;
        answer::read(body, upstream_id, self.reject()).map(ChatAnswer::Whole)
    }

    async fn stream(&self, request: RequestBuilder, choices: i64) -> Result<ChatAnswer, LlmError> {
        let timeouts = self.config.timeouts;
        let response = in_time(timeouts.first_byte, self.send(request)).await?;
        if is_json(response.headers()) {
            // Some servers report an error with status 200, some ignore `stream`: neither is a stream.
            let body = in_time(timeouts.whole, read_body(response, ANSWER_LIMIT, timeouts.idle)).await?;
            return Err(match answer::read(body, None, self.reject()) {
                Ok(_) => LlmError::Protocol("a whole answer where a stream was asked for"),
                Err(error) => error,
            });
        }
        let upstream_id = request_id(response.headers());
        let choices = usize::try_from(choices).unwrap_or(1);
        let events = stream::events(response, choices, timeouts, self.config.api_key.clone());
        Ok(ChatAnswer::Stream(ChatStream { upstream_id, events }))
    }

    async fn list_models(&self) -> Result<Vec<ModelInfo>, LlmError> {
        let timeouts = self.config.timeouts;
        let request =
            self.client.get(self.models_url.clone()).header(ACCEPT, HeaderValue::from_static("application/json"));
        let body = in_time(timeouts.first_byte, async {
            read_body(self.send(request).await?, MODELS_LIMIT, timeouts.idle).await
        })
        .await?;
        let list: ModelList =
            serde_json::from_slice(&body).map_err(|_| LlmError::Protocol("a list of models was expected"))?;
        let sane = list.data.into_iter().filter(|model| (1..=256).contains(&model.id.len()));
        let mut models: Vec<ModelInfo> = sane.take(MODEL_COUNT_LIMIT).map(ModelInfo::from).collect();
        for extra in &self.config.extra_models {
            if models.iter().all(|model| model.id != extra.id) {
                models.push(extra.clone());
            }
        }
        Ok(models)
    }

    /// Sends once; gives back only a success.
    async fn send(&self, mut request: RequestBuilder) -> Result<Response, LlmError> {
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let response = request.send().await.map_err(|error| {
            if error.is_connect() && error.is_timeout() {
                LlmError::Timeout(Wait::Connect)
            } else {
                LlmError::Connect(TransportError::from(error))
            }
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // An error body that is late, broken or endless must not hide the status.
        let body = fault::read_prefix(response, self.config.timeouts.idle).await;
        Err(self.reject().response(status, &headers, &body, self.clock.now()))
    }

    fn reject(&self) -> Reject<'_> {
        Reject { secret: self.config.api_key.as_ref().map(ExposeSecret::expose_secret) }
    }
}

impl LlmProvider for OpenAiProvider {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn service(&self) -> &str {
        &self.config.service
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelInfo>, LlmError>> {
        Box::pin(self.list_models())
    }

    fn bound(&self, call: &ChatRequest, max_output_default: i64) -> TokenBound {
        TokenBound {
            input: count::input_bound(call.size(), self.config.image_tokens),
            output: call.max_output().unwrap_or(max_output_default).saturating_mul(call.choices()),
        }
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatAnswer, LlmError>> {
        Box::pin(self.chat_once(call))
    }

    fn on_hangup(&self) -> OnHangup {
        self.config.on_hangup
    }
}

#[derive(Deserialize)]
struct ModelList {
    data: Vec<WireModel>,
}

/// A model in a list; all but its name may be missing or of another type.
#[derive(Deserialize)]
struct WireModel {
    id: String,
    #[serde(default)]
    created: Value,
    #[serde(default)]
    owned_by: Value,
}

impl From<WireModel> for ModelInfo {
    fn from(model: WireModel) -> Self {
        Self {
            id: model.id,
            created: model.created.as_i64().unwrap_or(0),
            owned_by: model.owned_by.as_str().unwrap_or_default().chars().take(256).collect(),
        }
    }
}

fn authorization(key: &SecretString) -> Result<HeaderValue, ConfigError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret())).map_err(|_| ConfigError::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The provider's id of the request: printable, at most 200 bytes, or none.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    (!id.is_empty() && id.len() <= 200).then(|| id.to_owned())
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// Runs a call that must have answered within `limit`.
async fn in_time<T>(limit: Duration, call: impl Future<Output = Result<T, LlmError>>) -> Result<T, LlmError> {
    timeout(limit, call).await.unwrap_or(Err(LlmError::Timeout(Wait::FirstByte)))
}

/// Reads a body of at most `limit` bytes; every chunk has `idle` to arrive.
async fn read_body(mut response: Response, limit: usize, idle: Duration) -> Result<Bytes, LlmError> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(LlmError::TooLarge { limit });
    }
    let mut body = Vec::with_capacity(announced.unwrap_or(0));
    loop {
        match timeout(idle, response.chunk()).await {
            Err(_) => return Err(LlmError::Timeout(Wait::Idle)),
            Ok(Err(error)) => return Err(LlmError::Truncated(Some(error.into()))),
            Ok(Ok(None)) => return Ok(body.into()),
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() > limit => return Err(LlmError::TooLarge { limit }),
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
        }
    }
}

#[cfg(test)]
mod tests;
