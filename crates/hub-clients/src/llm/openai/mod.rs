//! The adapter for OpenAI and for every server that speaks its chat protocol, or its responses.
//!
//! Bytes of calls in a wire that the server speaks ([`Wires`]) go through as they are; see [`ChatRequest::encode`] for the few fields that are
//! written. All other calls are carried as chat, and to a server that speaks no chat as responses.

mod answer;
mod config;
mod keeping;
mod responses;
mod stream;

use bytes::Bytes;
use futures::future::BoxFuture;
use hub_types::{Clock, TokenUsage};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

pub use super::http::{ANSWER_LIMIT, ConfigError, Timeouts, check_address};
pub use config::{Completions, OpenAiConfig, Wires};

use self::keeping::Keeping;
use self::stream::Chunks;
use super::count::Estimate;
use super::http::{self, Http, Opened, Reader, Reject};
use super::{
    BadRequest, CallRequest, ChatAnswer, ChatCall, ChatRequest, ChatStream, CompletionRequest, Edits, LlmError,
    LlmProvider, ModelInfo, OnHangup, ResponsesRequest, Terms, TokenBound, WholeAnswer, count,
};
use crate::wire::hosted;
use crate::wire::openai::EmbeddingsRequest;
use crate::wire::translate::{Translated, chat_over_responses, retold};

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
    responses_url: Url,
    completions_url: Url,
    embeddings_url: Url,
    models_url: Url,
}

/// How a call is sent.
enum Sent<'a> {
    Embeddings(&'a EmbeddingsRequest),
    Responses(&'a ResponsesRequest),
    Completion(&'a CompletionRequest),
    /// As chat, whatever it came as.
    Chat,
    /// As responses, to a server that speaks no chat.
    Translated,
}

/// Reads a whole answer of one wire.
type Read = fn(Bytes, Option<String>, Reject<'_>) -> Result<WholeAnswer, LlmError>;

impl OpenAiProvider {
    /// Checks the configuration and builds the client. `clock` is needed to read a `Retry-After` that is a date.
    pub fn new(config: OpenAiConfig, clock: Clock) -> Result<Self, ConfigError> {
        http::check_base(&config.base_url)?;
        let mut headers = HeaderMap::new();
        if let Some(key) = &config.api_key {
            headers.insert(AUTHORIZATION, authorization(key)?);
        }
        let secret = config.api_key.clone();
        let idle = config.pool_max_idle;
        let http = Http::new(config.timeouts, idle, headers, REQUEST_ID, secret, clock, config.outside_only)?;
        let base = &config.base_url;
        Ok(Self {
            chat_url: http::join(base, &["chat", "completions"]),
            responses_url: http::join(base, &["responses"]),
            completions_url: http::join(base, &["completions"]),
            embeddings_url: http::join(base, &["embeddings"]),
            models_url: http::join(base, &["models"]),
            http,
            config,
        })
    }

    /// The way of this call: by its own wire where the server speaks it.
    fn way<'a>(&self, call: &'a CallRequest, model: &str) -> Sent<'a> {
        let Wires { chat, responses, completions } = self.config.wires;
        if let Some(request) = call.embeddings() {
            return Sent::Embeddings(request);
        }
        if let Some(request) = call.responses().filter(|_| responses) {
            return Sent::Responses(request);
        }
        let carried = if chat { Sent::Chat } else { Sent::Translated };
        call.completion().filter(|_| completions.knows(model)).map_or(carried, Sent::Completion)
    }

    async fn answer(&self, call: ChatCall) -> Result<ChatAnswer, LlmError> {
        match self.way(&call.request, &call.upstream_model) {
            Sent::Embeddings(request) => self.embed(request, &call).await.map(ChatAnswer::Whole),
            Sent::Responses(request) => {
                self.check_hosted(request.hosted_tools()).map_err(LlmError::unsendable)?;
                let body = request.encode(&call.upstream_model, call.max_output);
                let events = responses::Events::new(self.config.api_key.clone());
                self.send(&self.responses_url, (body, request.stream()), &call, responses::read, events).await
            }
            Sent::Completion(request) => {
                let body = request.encode(&call.upstream_model, call.max_output);
                let chunks = self.chunks(request.answers());
                self.send(&self.completions_url, (body, request.stream()), &call, answer::read, chunks).await
            }
            Sent::Chat => {
                let (chat, dropped) = call.request.as_plain_chat().map_err(LlmError::unsendable)?;
                http::refuse_dropped(dropped, self.config.refuse_dropped)?;
                self.check_hosted(chat.hosted_tools()).map_err(LlmError::unsendable)?;
                let answer = self.chat_once(&chat, &call).await?;
                call.request.tell(answer, dropped, &call.request_id)
            }
            Sent::Translated => self.respond(&call).await,
        }
    }

    /// Makes a call that is carried as responses.
    async fn respond(&self, call: &ChatCall) -> Result<ChatAnswer, LlmError> {
        let chat = call.request.as_chat().map_err(LlmError::unsendable)?;
        let told = self.as_responses(&call.request).map_err(LlmError::unsendable)?;
        let body = told.request.encode(&call.upstream_model, call.max_output);
        let events = responses::Events::new(self.config.api_key.clone());
        let sent = self.send(&self.responses_url, (body, told.request.stream()), call, responses::read, events);
        let answer = match sent.await? {
            ChatAnswer::Whole(answer) => {
                let body = chat_over_responses::whole(&answer.body, answer.usage.as_ref())
                    .ok_or(LlmError::Untellable("it does not fit into the caller's wire"))?;
                ChatAnswer::Whole(WholeAnswer { body, dropped: told.dropped, ..answer })
            }
            ChatAnswer::Stream(stream) => {
                let events = retold(stream.events, chat_over_responses::Teller::default());
                ChatAnswer::Stream(ChatStream { events, dropped: told.dropped, ..stream })
            }
        };
        call.request.tell(answer, chat.dropped, &call.request_id)
    }

    /// The call as a responses request.
    fn as_responses(&self, call: &CallRequest) -> Result<Translated<ResponsesRequest>, BadRequest> {
        let chat = call.as_chat()?;
        let told = chat_over_responses::request(chat.request, call.wants_thinking())?;
        http::check_dropped(&told.dropped, self.config.refuse_dropped)?;
        http::check_dropped(chat.dropped, self.config.refuse_dropped)?;
        Ok(told)
    }

    /// What a response can cost at most.
    fn response_bound(&self, request: &ResponsesRequest, max_output_default: i64) -> TokenBound {
        TokenBound {
            input: count::input_bound(request.size(), self.config.image_tokens),
            output: request.max_output().unwrap_or(max_output_default),
        }
    }

    async fn chat_once(&self, chat: &ChatRequest, call: &ChatCall) -> Result<ChatAnswer, LlmError> {
        let body = chat.encode(Edits {
            model: &call.upstream_model,
            max_output: call.max_output,
            max_tokens_field: self.config.max_tokens_field,
            include_usage: true,
        });
        self.send(&self.chat_url, (body, chat.stream()), call, answer::read, self.chunks(chat.choices())).await
    }

    fn chunks(&self, choices: i64) -> Chunks {
        Chunks { unfinished: usize::try_from(choices).unwrap_or(1), key: self.config.api_key.clone() }
    }

    /// Sends a body of any wire, and reads the answer as that wire has it.
    async fn send(
        &self,
        url: &Url,
        (body, streams): (Bytes, bool),
        call: &ChatCall,
        read: Read,
        reader: impl Reader + Unpin,
    ) -> Result<ChatAnswer, LlmError> {
        let keeping = Keeping::of(&body);
        let request = self.http.post(url.clone(), body, streams);
        let request = http::with_id(request, CLIENT_REQUEST_ID, &call.request_id);
        if !streams {
            let (upstream_id, body) = self.http.whole(request).await?;
            let answer = read(body, upstream_id, self.http.reject())?;
            return Ok(ChatAnswer::Whole(keeping.whole(answer)));
        }
        match self.http.open(request).await? {
            Opened::Stream(response, upstream_id) => {
                let events = http::events(response, self.config.timeouts, keeping.events(reader));
                Ok(ChatAnswer::Stream(ChatStream { upstream_id, dropped: Vec::new(), events }))
            }
            // Some servers report an error with status 200, some ignore `stream`: neither is a stream.
            Opened::Json(body) => Err(match read(body, None, self.http.reject()) {
                Ok(_) => LlmError::Protocol("a whole answer where a stream was asked for"),
                Err(error) => error,
            }),
        }
    }

    /// Refuses tools that the provider would run itself, but for those the operator has named.
    fn check_hosted(&self, hosted: &[String]) -> Result<(), BadRequest> {
        hosted::refuse(hosted, &self.config.hosted_tools)
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

    fn bound(&self, call: &CallRequest, model: &str, max_output_default: i64) -> Result<TokenBound, BadRequest> {
        match self.way(call, model) {
            Sent::Embeddings(embeddings) => Ok(TokenBound { input: count::embeddings_bound(embeddings), output: 0 }),
            Sent::Responses(request) => {
                self.check_hosted(request.hosted_tools())?;
                Ok(self.response_bound(request, max_output_default))
            }
            Sent::Translated => Ok(self.response_bound(&self.as_responses(call)?.request, max_output_default)),
            Sent::Completion(request) => Ok(TokenBound {
                input: count::completion_bound(request),
                output: request.limit().saturating_mul(request.generated()),
            }),
            Sent::Chat => {
                let (chat, dropped) = call.as_plain_chat()?;
                http::check_dropped(dropped, self.config.refuse_dropped)?;
                self.check_hosted(chat.hosted_tools())?;
                Ok(TokenBound {
                    input: count::input_bound(chat.size(), self.config.image_tokens),
                    output: chat.max_output().unwrap_or(max_output_default).saturating_mul(chat.choices()),
                })
            }
        }
    }

    fn terms(&self, call: &CallRequest, model: &str) -> Result<Terms, BadRequest> {
        match self.way(call, model) {
            Sent::Embeddings(_) => Ok(Terms::default()),
            Sent::Responses(request) => Ok(Terms::asked(|name| request.raw(name))),
            Sent::Completion(request) => Ok(Terms::asked(|name| request.raw(name))),
            Sent::Chat | Sent::Translated => call.as_chat().map(|chat| Terms::asked(|name| chat.request.raw(name))),
        }
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatAnswer, LlmError>> {
        Box::pin(self.answer(call))
    }

    fn on_hangup(&self) -> OnHangup {
        self.config.on_hangup
    }

    fn counted(&self, call: &CallRequest, output: Estimate, reasoning: Estimate) -> TokenUsage {
        let usage = call.estimate_usage(output, reasoning);
        match call.completion() {
            Some(request) => TokenUsage { output: request.generated_of(output), ..usage },
            None => usage,
        }
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
mod native_tests;
#[cfg(test)]
mod tests;
