//! A call in the caller's own wire, and how it reaches a provider that speaks another.
//!
//! Where both speak the same wire the caller's bytes go through. Every other wire is carried as chat: [`CallRequest::as_chat`] on the way
//! there, [`CallRequest::tell`] on the way back.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hub_types::TokenUsage;

use super::count::Estimate;
use super::{ChatAnswer, ChatStream, LlmError, WholeAnswer};
use crate::wire::BadRequest;
use crate::wire::anthropic::MessagesRequest;
use crate::wire::openai::{ChatRequest, EmbeddingsRequest};
use crate::wire::translate::responses_over_chat::{self, Echo};
use crate::wire::translate::{Translated, completion_over_chat, messages_over_chat, retold};

/// A call to be made. Cheap to clone; its chat form is made at most once.
#[derive(Debug, Clone)]
pub struct CallRequest(Form);

#[derive(Debug, Clone)]
enum Form {
    Chat(ChatRequest),
    Messages(Arc<Messages>),
    Completion(ChatRequest),
    Responses(Arc<Responses>),
    Embeddings(EmbeddingsRequest),
}

#[derive(Debug)]
struct Messages {
    request: MessagesRequest,
    chat: OnceLock<Result<Translated<ChatRequest>, BadRequest>>,
}

#[derive(Debug)]
struct Responses {
    chat: Translated<ChatRequest>,
    echo: Echo,
}

/// A call as chat.
pub(crate) struct AsChat<'a> {
    pub(crate) request: &'a ChatRequest,
    /// Fields of the call that have no place in chat.
    pub(crate) dropped: &'a [String],
}

impl From<ChatRequest> for CallRequest {
    fn from(request: ChatRequest) -> Self {
        Self(Form::Chat(request))
    }
}

impl From<MessagesRequest> for CallRequest {
    fn from(request: MessagesRequest) -> Self {
        Self(Form::Messages(Arc::new(Messages { request, chat: OnceLock::new() })))
    }
}

impl From<EmbeddingsRequest> for CallRequest {
    fn from(request: EmbeddingsRequest) -> Self {
        Self(Form::Embeddings(request))
    }
}

impl CallRequest {
    /// Reads a request of the old text completions.
    pub fn completion(body: &Bytes) -> Result<Self, BadRequest> {
        completion_over_chat::request(body).map(|chat| Self(Form::Completion(chat)))
    }

    /// Reads a request of OpenAI's responses; the stateless part of them is known.
    pub fn responses(body: &Bytes) -> Result<Self, BadRequest> {
        let (chat, echo) = responses_over_chat::request(body)?;
        Ok(Self(Form::Responses(Arc::new(Responses { chat, echo }))))
    }

    /// The model the caller asked for.
    pub fn model(&self) -> &str {
        match &self.0 {
            Form::Chat(request) | Form::Completion(request) => request.model(),
            Form::Responses(responses) => responses.chat.request.model(),
            Form::Messages(messages) => messages.request.model(),
            Form::Embeddings(request) => request.model(),
        }
    }

    /// Whether the caller wants a stream.
    pub fn stream(&self) -> bool {
        match &self.0 {
            Form::Chat(request) | Form::Completion(request) => request.stream(),
            Form::Responses(responses) => responses.chat.request.stream(),
            Form::Messages(messages) => messages.request.stream(),
            Form::Embeddings(_) => false,
        }
    }

    /// Whether the caller wants events that carry usage and nothing else. Anthropic's wire and
    /// that of responses have none, so nothing is withheld.
    pub fn wants_usage(&self) -> bool {
        match &self.0 {
            Form::Chat(request) | Form::Completion(request) => request.wants_usage(),
            Form::Messages(_) | Form::Responses(_) => true,
            Form::Embeddings(_) => false,
        }
    }

    /// The caller's limit of completion tokens per choice.
    pub fn max_output(&self) -> Option<i64> {
        match &self.0 {
            Form::Chat(request) | Form::Completion(request) => request.max_output(),
            Form::Responses(responses) => responses.chat.request.max_output(),
            Form::Messages(messages) => messages.request.max_output(),
            Form::Embeddings(_) => None,
        }
    }

    /// Whether the answer has a length that a limit could shorten: vectors do not.
    pub fn generates(&self) -> bool {
        !matches!(self.0, Form::Embeddings(_))
    }

    /// Which of these top-level fields the call has, in the caller's words.
    pub fn has<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        let has = |name: &str| match &self.0 {
            Form::Chat(request) | Form::Completion(request) => request.raw(name).is_some(),
            Form::Responses(responses) => responses.chat.request.raw(name).is_some(),
            Form::Messages(messages) => messages.request.raw(name).is_some(),
            Form::Embeddings(_) => false,
        };
        names.iter().copied().filter(|name| has(name)).collect()
    }

    /// The call without these top-level fields.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        Self(match &self.0 {
            Form::Chat(request) => Form::Chat(request.without(names)),
            Form::Completion(request) => Form::Completion(request.without(names)),
            Form::Responses(responses) => {
                let Translated { request, dropped } = &responses.chat;
                let chat = Translated { request: request.without(names), dropped: dropped.clone() };
                Form::Responses(Arc::new(Responses { chat, echo: responses.echo.clone() }))
            }
            Form::Messages(messages) => {
                let request = messages.request.without(names);
                Form::Messages(Arc::new(Messages { request, chat: OnceLock::new() }))
            }
            Form::Embeddings(request) => Form::Embeddings(request.clone()),
        })
    }

    /// How many answers are asked for.
    pub fn choices(&self) -> i64 {
        match &self.0 {
            Form::Chat(request) | Form::Completion(request) => request.choices(),
            Form::Messages(_) | Form::Responses(_) | Form::Embeddings(_) => 1,
        }
    }

    /// The messages request, if it is one.
    pub fn messages(&self) -> Option<&MessagesRequest> {
        match &self.0 {
            Form::Messages(messages) => Some(&messages.request),
            _ => None,
        }
    }

    /// The embeddings request, if it is one.
    pub fn embeddings(&self) -> Option<&EmbeddingsRequest> {
        match &self.0 {
            Form::Embeddings(request) => Some(request),
            _ => None,
        }
    }

    /// The call as chat. Errors when something in it has no place there whose loss would change the answer.
    pub(crate) fn as_chat(&self) -> Result<AsChat<'_>, BadRequest> {
        match &self.0 {
            Form::Chat(request) | Form::Completion(request) => Ok(AsChat { request, dropped: &[] }),
            Form::Messages(messages) => {
                let chat = messages.chat.get_or_init(|| messages_over_chat::request(&messages.request));
                let chat = chat.as_ref().map_err(Clone::clone)?;
                Ok(AsChat { request: &chat.request, dropped: &chat.dropped })
            }
            Form::Responses(responses) => {
                Ok(AsChat { request: &responses.chat.request, dropped: &responses.chat.dropped })
            }
            Form::Embeddings(_) => Err(BadRequest::at("model", "this model makes no vectors")),
        }
    }

    /// Tells an answer that came as chat in the caller's wire. `dropped` goes along with it.
    pub(crate) fn tell(&self, answer: ChatAnswer, dropped: &[String]) -> Result<ChatAnswer, LlmError> {
        match answer {
            ChatAnswer::Whole(answer) => {
                let body = self.tell_whole(&answer)?;
                Ok(ChatAnswer::Whole(WholeAnswer { body, dropped: joined(answer.dropped, dropped), ..answer }))
            }
            ChatAnswer::Stream(stream) => {
                let events = match &self.0 {
                    Form::Chat(_) | Form::Embeddings(_) => stream.events,
                    Form::Completion(_) => retold(stream.events, completion_over_chat::Teller),
                    Form::Responses(responses) => {
                        retold(stream.events, responses_over_chat::Teller::new(responses.echo.clone()))
                    }
                    Form::Messages(messages) => {
                        retold(stream.events, messages_over_chat::Teller::new(messages.wants_thinking()))
                    }
                };
                Ok(ChatAnswer::Stream(ChatStream { events, dropped: joined(stream.dropped, dropped), ..stream }))
            }
        }
    }

    fn tell_whole(&self, answer: &WholeAnswer) -> Result<Bytes, LlmError> {
        let told = match &self.0 {
            Form::Chat(_) | Form::Embeddings(_) => return Ok(answer.body.clone()),
            Form::Completion(_) => completion_over_chat::whole(&answer.body),
            Form::Responses(responses) => {
                let usage = answer.usage.unwrap_or_else(|| self.estimate_usage(answer.output, answer.reasoning));
                responses_over_chat::whole(&answer.body, &usage, &responses.echo)
            }
            Form::Messages(messages) => {
                let usage = answer.usage.unwrap_or_else(|| self.estimate_usage(answer.output, answer.reasoning));
                messages_over_chat::whole(&answer.body, &usage, messages.wants_thinking())
            }
        };
        told.ok_or(LlmError::Protocol("an answer that cannot be told in the caller's wire"))
    }

    /// Usage by estimate, for a call whose provider reported nothing. Pictures and sound are not guessed.
    pub fn estimate_usage(&self, output: Estimate, reasoning: Estimate) -> TokenUsage {
        if let Ok(chat) = self.as_chat() {
            return chat.request.estimate_usage(output, reasoning);
        }
        let bytes = match &self.0 {
            Form::Messages(messages) => {
                let size = messages.request.size();
                size.text_bytes.saturating_add(size.other_bytes) / 4
            }
            Form::Embeddings(request) => request.size() / 4 + 1,
            Form::Chat(_) | Form::Completion(_) | Form::Responses(_) => 0,
        };
        let input = i64::try_from(bytes).unwrap_or(i64::MAX);
        TokenUsage { input, output: output.tokens(), reasoning: reasoning.tokens(), ..TokenUsage::default() }
    }
}

impl Messages {
    /// Whether the caller asked to see the model think.
    fn wants_thinking(&self) -> bool {
        self.request.raw("thinking").is_some_and(|raw| raw != "null" && !raw.contains("\"disabled\""))
    }
}

fn joined(mut first: Vec<String>, second: &[String]) -> Vec<String> {
    first.extend(second.iter().filter(|name| !first.contains(name)).cloned().collect::<Vec<_>>());
    first
}
