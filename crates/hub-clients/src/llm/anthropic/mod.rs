//! The adapter for Anthropic and for every server that speaks its messages protocol (providers.md §3).
//!
//! Bytes of messages calls go through as they are, under the version of their caller; calls of other wires are told as messages. Vectors
//! are not to be had here.

mod config;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use futures::future::BoxFuture;
use hub_types::Clock;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::Url;

pub use config::AnthropicConfig;

use self::stream::Events;
use super::http::{self, ConfigError, Http, Opened, Request};
use super::{
    ApiVersion, BadRequest, CallRequest, ChatAnswer, ChatCall, ChatStream, LlmError, LlmProvider, MessagesRequest,
    ModelInfo, OnHangup, Terms, TokenBound, WholeAnswer, count,
};
use crate::wire::anthropic::Message;
use crate::wire::hosted;
use crate::wire::translate::chat_over_messages::{self, Target};
use crate::wire::translate::{Translated, retold};

/// Largest list of models, in bytes.
const MODELS_LIMIT: usize = 4 * 1024 * 1024;
/// Most models taken from a list; a page holds at most as many.
const MODEL_COUNT_LIMIT: usize = 1_000;
/// Tokens allowed for what Anthropic adds to a prompt that offers tools, asks for a schema or thinks: its largest known addition is 700.
const ADDED_TOKENS: i64 = 1_024;
/// The limit sent when neither caller nor hub named one.
const MAX_TOKENS: i64 = 4_096;
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// An upstream that speaks Anthropic's messages protocol.
pub struct AnthropicProvider {
    config: AnthropicConfig,
    http: Http,
    messages_url: Url,
    count_url: Url,
    models_url: Url,
}

impl AnthropicProvider {
    /// Checks the configuration and builds the client. `clock` dates answers told in other wires.
    pub fn new(config: AnthropicConfig, clock: Clock) -> Result<Self, ConfigError> {
        http::check_base(&config.base_url)?;
        let mut headers = HeaderMap::new();
        if let Some(key) = &config.api_key {
            let mut value = HeaderValue::from_str(key.expose_secret()).map_err(|_| ConfigError::Key)?;
            value.set_sensitive(true);
            headers.insert(API_KEY, value);
        }
        let secret = config.api_key.clone();
        let idle = config.pool_max_idle;
        let http = Http::new(config.timeouts, idle, headers, REQUEST_ID, secret, clock, config.outside_only)?;
        let url = |rest: &[&str]| http::join(&config.base_url, &config.segments(rest));
        let mut models_url = url(&["models"]);
        models_url.query_pairs_mut().append_pair("limit", &MODEL_COUNT_LIMIT.to_string());
        Ok(Self {
            messages_url: url(&["messages"]),
            count_url: url(&["messages", "count_tokens"]),
            models_url,
            http,
            config,
        })
    }

    async fn answer(&self, call: ChatCall) -> Result<ChatAnswer, LlmError> {
        if let Some(messages) = call.request.messages() {
            hosted::refuse(messages.hosted_tools(), &self.config.hosted_tools).map_err(LlmError::unsendable)?;
            let body = messages.encode(&call.upstream_model, call.max_output);
            return if messages.stream() {
                self.stream(messages, body).await.map(ChatAnswer::Stream)
            } else {
                self.whole(messages, body).await.map(|(answer, _)| ChatAnswer::Whole(answer))
            };
        }
        let chat = call.request.as_chat().map_err(LlmError::unsendable)?;
        let limit = [call.max_output, chat.request.max_output()].into_iter().flatten().min();
        let told = self.as_messages(&call.request, &call.upstream_model, limit).map_err(LlmError::unsendable)?;
        let body = told.request.body().clone();
        let answer = if told.request.stream() {
            let stream = self.stream(&told.request, body).await?;
            let events = retold(stream.events, chat_over_messages::Teller::new(self.http.seconds()));
            ChatAnswer::Stream(ChatStream { events, dropped: told.dropped, ..stream })
        } else {
            let (answer, chat) = self.whole(&told.request, body).await?;
            ChatAnswer::Whole(WholeAnswer { body: chat, dropped: told.dropped, ..answer })
        };
        call.request.tell(answer, chat.dropped, &call.request_id)
    }

    /// The call as a messages request.
    fn as_messages(
        &self,
        call: &CallRequest,
        model: &str,
        max_tokens: Option<i64>,
    ) -> Result<Translated<MessagesRequest>, BadRequest> {
        let chat = call.as_chat()?;
        let max_tokens = max_tokens.unwrap_or(MAX_TOKENS);
        let target = Target { model, max_tokens, version: self.config.version };
        let told = chat_over_messages::request(chat.request, target)?;
        http::check_dropped(&told.dropped, self.config.refuse_dropped)?;
        http::check_dropped(chat.dropped, self.config.refuse_dropped)?;
        Ok(told)
    }

    fn post(&self, url: &Url, messages: &MessagesRequest, body: Bytes, streams: bool) -> Request {
        let version: &'static str = ApiVersion::as_str(messages.version());
        let request = self.http.post(url.clone(), body, streams).header(VERSION, HeaderValue::from_static(version));
        match messages.betas() {
            Some(betas) => http::with_id(request, BETA, betas),
            None => request,
        }
    }

    /// One whole message, and the same as a chat completion.
    async fn whole(&self, messages: &MessagesRequest, body: Bytes) -> Result<(WholeAnswer, Bytes), LlmError> {
        let (upstream_id, body) = self.http.whole(self.post(&self.messages_url, messages, body, false)).await?;
        let message: Message<'_> =
            serde_json::from_slice(&body).map_err(|_| LlmError::Protocol("a JSON answer was expected"))?;
        if message.error.is_some() {
            return Err(self.http.reject().answer(&body));
        }
        if message.content.is_none() {
            return Err(LlmError::Protocol("an answer without content"));
        }
        let chat = chat_over_messages::whole(&message, self.http.seconds());
        let answer = WholeAnswer {
            text: message.text(),
            usage: message.usage.tokens(),
            terms: message.usage.terms.told(),
            output: message.output(),
            reasoning: message.reasoning(),
            finish: message.stop_reason.get().map(str::to_owned),
            upstream_id,
            dropped: Vec::new(),
            body: body.clone(),
        };
        Ok((answer, chat))
    }

    async fn stream(&self, messages: &MessagesRequest, body: Bytes) -> Result<ChatStream, LlmError> {
        match self.http.open(self.post(&self.messages_url, messages, body, true)).await? {
            Opened::Stream(response, upstream_id) => {
                let events = http::events(response, self.config.timeouts, Events::new(self.config.api_key.clone()));
                Ok(ChatStream { upstream_id, dropped: Vec::new(), events })
            }
            Opened::Json(body) => match serde_json::from_slice::<Message<'_>>(&body) {
                Ok(message) if message.error.is_some() => Err(self.http.reject().answer(&body)),
                _ => Err(LlmError::Protocol("a whole answer where a stream was asked for")),
            },
        }
    }

    async fn count(&self, call: ChatCall) -> Result<Option<i64>, LlmError> {
        let told = match call.request.messages() {
            Some(_) => None,
            None => {
                Some(self.as_messages(&call.request, &call.upstream_model, None).map_err(LlmError::unsendable)?.request)
            }
        };
        let Some(messages) = told.as_ref().or(call.request.messages()) else { return Ok(None) };
        let body = messages.encode_for_count(&call.upstream_model);
        let body = self.http.brief(self.post(&self.count_url, messages, body, false)).await?;
        let counted: Counted =
            serde_json::from_slice(&body).map_err(|_| LlmError::Protocol("a count of tokens was expected"))?;
        Ok(Some(counted.input_tokens))
    }

    async fn list_models(&self) -> Result<Vec<ModelInfo>, LlmError> {
        let body =
            self.http.get(self.models_url.clone(), &[(VERSION, self.config.version.as_str())], MODELS_LIMIT).await?;
        let list: ModelList =
            serde_json::from_slice(&body).map_err(|_| LlmError::Protocol("a list of models was expected"))?;
        let sane = list.data.into_iter().filter(|model| (1..=256).contains(&model.id.len()));
        let info = |model: WireModel| {
            let created = chrono::DateTime::parse_from_rfc3339(&model.created_at).map_or(0, |at| at.timestamp());
            ModelInfo { id: model.id, created, owned_by: "anthropic".to_owned() }
        };
        Ok(sane.take(MODEL_COUNT_LIMIT).map(info).collect())
    }
}

impl LlmProvider for AnthropicProvider {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn service(&self) -> &str {
        &self.config.service
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelInfo>, LlmError>> {
        Box::pin(self.list_models())
    }

    fn bound(&self, call: &CallRequest, model: &str, max_output_default: i64) -> Result<TokenBound, BadRequest> {
        if let Some(messages) = call.messages() {
            hosted::refuse(messages.hosted_tools(), &self.config.hosted_tools)?;
        }
        let output = call.max_output().unwrap_or(max_output_default);
        let told = match call.messages() {
            Some(_) => None,
            None => Some(self.as_messages(call, model, Some(output.max(1)))?.request),
        };
        let size = told.as_ref().or(call.messages()).map(MessagesRequest::size).copied().unwrap_or_default();
        let input = count::input_bound(&size, self.config.image_tokens).saturating_add(ADDED_TOKENS);
        Ok(TokenBound { input, output })
    }

    fn terms(&self, call: &CallRequest, _model: &str) -> Result<Terms, BadRequest> {
        // What is carried over from another wire asks for the usual terms only: see `chat_over_messages`.
        Ok(call.messages().map_or_else(Terms::default, |request| Terms::asked(|name| request.raw(name))))
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatAnswer, LlmError>> {
        Box::pin(self.answer(call))
    }

    fn on_hangup(&self) -> OnHangup {
        self.config.on_hangup
    }

    fn count_tokens(&self, call: ChatCall) -> BoxFuture<'_, Result<Option<i64>, LlmError>> {
        Box::pin(self.count(call))
    }
}

#[derive(Deserialize)]
struct Counted {
    input_tokens: i64,
}

#[derive(Deserialize)]
struct ModelList {
    data: Vec<WireModel>,
}

#[derive(Deserialize)]
struct WireModel {
    id: String,
    #[serde(default)]
    created_at: String,
}
