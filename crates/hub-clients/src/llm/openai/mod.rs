//! The adapter for OpenAI and for every server that speaks its chat protocol.
//!
//! Bytes of chat calls go through as they are; see [`ChatRequest::encode`] for the few fields that are written. Calls of other wires
//! are carried as chat.

mod answer;
mod config;
mod stream;

use futures::future::BoxFuture;
use hub_types::Clock;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

pub use super::http::{ANSWER_LIMIT, ConfigError, Timeouts};
pub use config::OpenAiConfig;

use self::stream::Chunks;
use super::http::{self, Http, Opened};
use super::{
    BadRequest, CallRequest, ChatAnswer, ChatCall, ChatRequest, ChatStream, Edits, LlmError, LlmProvider, ModelInfo,
    OnHangup, TokenBound, WholeAnswer, count,
};
use crate::wire::openai::EmbeddingsRequest;

/// Largest list of models, in bytes.
const MODELS_LIMIT: usize = 4 * 1024 * 1024;
/// Most models taken from a list.
const MODEL_COUNT_LIMIT: usize = 5_000;
/// Our id of the request, for the provider's logs.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An upstream that speaks OpenAI's chat protocol.
pub struct OpenAiProvider {
    config: OpenAiConfig,
    http: Http,
    chat_url: Url,
    embeddings_url: Url,
    models_url: Url,
}

impl OpenAiProvider {
    /// Checks the configuration and builds the client. `clock` is needed to read a `Retry-After` that is a date.
    pub fn new(config: OpenAiConfig, clock: Clock) -> Result<Self, ConfigError> {
        http::check_base(&config.base_url)?;
        let mut headers = HeaderMap::new();
        if let Some(key) = &config.api_key {
            headers.insert(AUTHORIZATION, authorization(key)?);
        }
        let secret = config.api_key.clone();
        let http = Http::new(config.timeouts, config.pool_max_idle, headers, REQUEST_ID, secret, clock)?;
        let base = &config.base_url;
        Ok(Self {
            chat_url: http::join(base, &["chat", "completions"]),
            embeddings_url: http::join(base, &["embeddings"]),
            models_url: http::join(base, &["models"]),
            http,
            config,
        })
    }

    async fn answer(&self, call: ChatCall) -> Result<ChatAnswer, LlmError> {
        if let Some(request) = call.request.embeddings() {
            return self.embed(request, &call).await.map(ChatAnswer::Whole);
        }
        let chat = call.request.as_chat().map_err(LlmError::unsendable)?;
        http::refuse_dropped(chat.dropped, self.config.refuse_dropped)?;
        let answer = self.chat_once(chat.request, &call).await?;
        call.request.tell(answer, chat.dropped)
    }

    async fn chat_once(&self, chat: &ChatRequest, call: &ChatCall) -> Result<ChatAnswer, LlmError> {
        let body = chat.encode(Edits {
            model: &call.upstream_model,
            max_output: call.max_output,
            max_tokens_field: self.config.max_tokens_field,
            include_usage: true,
        });
        let request = self.http.post(self.chat_url.clone(), body, chat.stream());
        let request = http::with_id(request, CLIENT_REQUEST_ID, &call.request_id);
        if !chat.stream() {
            let (upstream_id, body) = self.http.whole(request).await?;
            return answer::read(body, upstream_id, self.http.reject()).map(ChatAnswer::Whole);
        }
        match self.http.open(request).await? {
            Opened::Stream(response, upstream_id) => {
                let unfinished = usize::try_from(chat.choices()).unwrap_or(1);
                let chunks = Chunks { unfinished, key: self.config.api_key.clone() };
                let events = http::events(response, self.config.timeouts, chunks);
                Ok(ChatAnswer::Stream(ChatStream { upstream_id, dropped: Vec::new(), events }))
            }
            // Some servers report an error with status 200, some ignore `stream`: neither is a stream.
            Opened::Json(body) => Err(match answer::read(body, None, self.http.reject()) {
                Ok(_) => LlmError::Protocol("a whole answer where a stream was asked for"),
                Err(error) => error,
            }),
        }
    }

    async fn embed(&self, embeddings: &EmbeddingsRequest, call: &ChatCall) -> Result<WholeAnswer, LlmError> {
        let body = embeddings.encode(&call.upstream_model);
        let request = self.http.post(self.embeddings_url.clone(), body, false);
        let (upstream_id, body) = self.http.whole(http::with_id(request, CLIENT_REQUEST_ID, &call.request_id)).await?;
        answer::read_embeddings(body, upstream_id, self.http.reject())
    }

    async fn list_models(&self) -> Result<Vec<ModelInfo>, LlmError> {
        let body = self.http.get(self.models_url.clone(), &[], MODELS_LIMIT).await?;
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

    fn bound(&self, call: &CallRequest, max_output_default: i64) -> Result<TokenBound, BadRequest> {
        if let Some(embeddings) = call.embeddings() {
            return Ok(TokenBound { input: count::embeddings_bound(embeddings), output: 0 });
        }
        let chat = call.as_chat()?;
        http::check_dropped(chat.dropped, self.config.refuse_dropped)?;
        let chat = chat.request;
        Ok(TokenBound {
            input: count::input_bound(chat.size(), self.config.image_tokens),
            output: chat.max_output().unwrap_or(max_output_default).saturating_mul(chat.choices()),
        })
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatAnswer, LlmError>> {
        Box::pin(self.answer(call))
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

#[cfg(test)]
mod tests;
