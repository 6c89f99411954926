//! A call in the caller's own wire, and how it reaches a provider that speaks another.
//!
//! Where both speak the same wire the caller's bytes go through. To every other provider a call is carried as chat, and from there into the
//! provider's own wire where that is another one: [`CallRequest::as_chat`] on the way there, [`CallRequest::tell`] on the way back. That form is
//! made when it is needed and not before.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hub_types::TokenUsage;

use super::count::Estimate;
use super::{ChatAnswer, ChatStream, LlmError, WholeAnswer};
use crate::wire::BadRequest;
use crate::wire::anthropic::MessagesRequest;
use crate::wire::openai::{ChatRequest, CompletionRequest, EmbeddingsRequest, PromptSize, ResponsesRequest};
use crate::wire::translate::responses_over_chat::{self, Echo};
use crate::wire::translate::{Origin, Translated, completion_over_chat, messages_over_chat, retold};

/// A call to be made. Cheap to clone; its chat form is made at most once.
#[derive(Debug, Clone)]
pub struct CallRequest(Form);

#[derive(Debug, Clone)]
enum Form {
    Chat(ChatRequest),
    Messages(Arc<Messages>),
    Completion(Arc<Completion>),
    Responses(Arc<Responses>),
    Embeddings(EmbeddingsRequest),
}

#[derive(Debug)]
struct Completion {
    request: CompletionRequest,
    chat: OnceLock<Result<ChatRequest, BadRequest>>,
}

#[derive(Debug)]
struct Messages {
    request: MessagesRequest,
    chat: OnceLock<Result<Translated<ChatRequest>, BadRequest>>,
}

#[derive(Debug)]
struct Responses {
    request: ResponsesRequest,
    chat: OnceLock<Result<(Translated<ChatRequest>, Echo), BadRequest>>,
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

impl From<CompletionRequest> for CallRequest {
    fn from(request: CompletionRequest) -> Self {
        Self(Form::Completion(Arc::new(Completion { request, chat: OnceLock::new() })))
    }
}

impl From<ResponsesRequest> for CallRequest {
    fn from(request: ResponsesRequest) -> Self {
        Self(Form::Responses(Arc::new(Responses { request, chat: OnceLock::new() })))
    }
}

impl CallRequest {
    /// The model the caller asked for.
    pub fn model(&self) -> &str {
        match &self.0 {
            Form::Chat(request) => request.model(),
            Form::Completion(completion) => completion.request.model(),
            Form::Responses(responses) => responses.request.model(),
            Form::Messages(messages) => messages.request.model(),
            Form::Embeddings(request) => request.model(),
        }
    }

    /// Whether the caller wants a stream.
    pub fn stream(&self) -> bool {
        match &self.0 {
            Form::Chat(request) => request.stream(),
            Form::Completion(completion) => completion.request.stream(),
            Form::Responses(responses) => responses.request.stream(),
            Form::Messages(messages) => messages.request.stream(),
            Form::Embeddings(_) => false,
        }
    }

    /// Whether the caller wants events that carry usage and nothing else. Anthropic's wire and
    /// that of responses have none, so nothing is withheld.
    pub fn wants_usage(&self) -> bool {
        match &self.0 {
            Form::Chat(request) => request.wants_usage(),
            Form::Completion(completion) => completion.request.wants_usage(),
            Form::Messages(_) | Form::Responses(_) => true,
            Form::Embeddings(_) => false,
        }
    }

    /// The caller's limit of completion tokens per choice.
    pub fn max_output(&self) -> Option<i64> {
        match &self.0 {
            Form::Chat(request) => request.max_output(),
            Form::Completion(completion) => completion.request.max_output(),
            Form::Responses(responses) => responses.request.max_output(),
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
            Form::Chat(request) => request.raw(name).is_some(),
            Form::Completion(completion) => completion.request.raw(name).is_some(),
            Form::Responses(responses) => responses.request.raw(name).is_some(),
            Form::Messages(messages) => messages.request.raw(name).is_some(),
            Form::Embeddings(_) => false,
        };
        names.iter().copied().filter(|name| has(name)).collect()
    }

    /// The call without these top-level fields.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        match &self.0 {
            Form::Chat(request) => request.without(names).into(),
            Form::Completion(completion) => completion.request.without(names).into(),
            Form::Responses(responses) => responses.request.without(names).into(),
            Form::Messages(messages) => messages.request.without(names).into(),
            Form::Embeddings(request) => request.clone().into(),
        }
    }

    /// The call without the thinking of earlier answers, which only the account that signed or encrypted it takes back (providers.md §4.3).
    #[must_use]
    pub fn without_thoughts(&self) -> Self {
        match &self.0 {
            Form::Chat(request) => request.without_thoughts().into(),
            Form::Messages(messages) => messages.request.without_thoughts().into(),
            Form::Responses(responses) => responses.request.without_thoughts().into(),
            Form::Completion(_) | Form::Embeddings(_) => self.clone(),
        }
    }

    /// Whether the caller asked to see the model think.
    pub(crate) fn wants_thinking(&self) -> bool {
        match &self.0 {
            Form::Chat(request) => asks_to_think(request.raw("thinking")),
            Form::Messages(messages) => messages.wants_thinking(),
            Form::Completion(_) | Form::Responses(_) | Form::Embeddings(_) => false,
        }
    }

    /// How many answers are generated, each as long as the limit allows.
    pub fn choices(&self) -> i64 {
        match &self.0 {
            Form::Chat(request) => request.choices(),
            Form::Completion(completion) => completion.request.generated(),
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

    /// The request of the old completions, if it is one.
    pub fn completion(&self) -> Option<&CompletionRequest> {
        match &self.0 {
            Form::Completion(completion) => Some(&completion.request),
            _ => None,
        }
    }

    /// The responses request, if it is one.
    pub fn responses(&self) -> Option<&ResponsesRequest> {
        match &self.0 {
            Form::Responses(responses) => Some(&responses.request),
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
            Form::Chat(request) => Ok(AsChat { request, dropped: &[] }),
            Form::Completion(completion) => {
                let chat = completion.chat.get_or_init(|| completion_over_chat::request(&completion.request));
                Ok(AsChat { request: chat.as_ref().map_err(Clone::clone)?, dropped: &[] })
            }
            Form::Messages(messages) => {
                let chat = messages.chat.get_or_init(|| messages_over_chat::request(&messages.request));
                let chat = chat.as_ref().map_err(Clone::clone)?;
                Ok(AsChat { request: &chat.request, dropped: &chat.dropped })
            }
            Form::Responses(responses) => {
                let (chat, _) = responses.told()?;
                Ok(AsChat { request: &chat.request, dropped: &chat.dropped })
            }
            Form::Embeddings(_) => Err(BadRequest::at("model", "this model makes no vectors")),
        }
    }

    /// The call as chat for a server of that wire, with what has no place in it. Such a server takes back nothing that another provider has
    /// signed or encrypted; what a chat caller wrote stays.
    pub(crate) fn as_plain_chat(&self) -> Result<(Cow<'_, ChatRequest>, &[String]), BadRequest> {
        let AsChat { request, dropped } = self.as_chat()?;
        match self.0 {
            Form::Chat(_) => Ok((Cow::Borrowed(request), dropped)),
            _ => Ok((Cow::Owned(request.without_thoughts()), dropped)),
        }
    }

    /// Tells an answer that came as chat in the caller's wire. `dropped` goes along with it; `id` is the hub's id of the request, for what the
    /// provider gave no name.
    pub(crate) fn tell(&self, answer: ChatAnswer, dropped: &[String], id: &str) -> Result<ChatAnswer, LlmError> {
        let origin = || Origin::of(self, id);
        match answer {
            ChatAnswer::Whole(answer) => {
                let body = self.tell_whole(&answer, origin)?;
                Ok(ChatAnswer::Whole(WholeAnswer { body, dropped: joined(answer.dropped, dropped), ..answer }))
            }
            ChatAnswer::Stream(stream) => {
                let events = match &self.0 {
                    Form::Chat(_) | Form::Embeddings(_) => stream.events,
                    Form::Completion(_) => retold(stream.events, completion_over_chat::Teller::of(origin())),
                    Form::Responses(responses) => {
                        let (_, echo) = responses.told().map_err(LlmError::unsendable)?;
                        retold(stream.events, responses_over_chat::Teller::new(echo.clone()).of(origin()))
                    }
                    Form::Messages(messages) => {
                        let teller = messages_over_chat::Teller::new(messages.wants_thinking());
                        retold(stream.events, teller.of(origin()))
                    }
                };
                Ok(ChatAnswer::Stream(ChatStream { events, dropped: joined(stream.dropped, dropped), ..stream }))
            }
        }
    }

    fn tell_whole(&self, answer: &WholeAnswer, origin: impl FnOnce() -> Origin) -> Result<Bytes, LlmError> {
        if matches!(self.0, Form::Chat(_) | Form::Embeddings(_)) {
            return Ok(answer.body.clone());
        }
        let body = origin().named(&answer.body);
        let told = match &self.0 {
            Form::Chat(_) | Form::Embeddings(_) => Some(body),
            Form::Completion(_) => completion_over_chat::whole(&body),
            Form::Responses(responses) => {
                let usage = answer.usage.unwrap_or_else(|| self.estimate_usage(answer.output, answer.reasoning));
                let (_, echo) = responses.told().map_err(LlmError::unsendable)?;
                responses_over_chat::whole(&body, &usage, echo)
            }
            Form::Messages(messages) => {
                let usage = answer.usage.unwrap_or_else(|| self.estimate_usage(answer.output, answer.reasoning));
                messages_over_chat::whole(&body, &usage, messages.wants_thinking())
            }
        };
        told.ok_or(LlmError::Untellable("it does not fit into the caller's wire"))
    }

    /// Usage by estimate, for a call whose provider reported nothing. Pictures and sound are not guessed.
    pub fn estimate_usage(&self, output: Estimate, reasoning: Estimate) -> TokenUsage {
        let of_bytes = |size: &PromptSize| size.text_bytes.saturating_add(size.other_bytes) / 4;
        if let Some(completion) = self.completion() {
            return counted(completion.estimate().tokens(), output, reasoning);
        }
        if let Ok(chat) = self.as_chat() {
            return chat.request.estimate_usage(output, reasoning);
        }
        let bytes = match &self.0 {
            Form::Messages(messages) => of_bytes(messages.request.size()),
            Form::Responses(responses) => of_bytes(responses.request.size()),
            Form::Embeddings(request) => request.size() / 4 + 1,
            Form::Chat(_) | Form::Completion(_) => 0,
        };
        counted(i64::try_from(bytes).unwrap_or(i64::MAX), output, reasoning)
    }
}

fn counted(input: i64, output: Estimate, reasoning: Estimate) -> TokenUsage {
    TokenUsage { input, output: output.tokens(), reasoning: reasoning.tokens(), ..TokenUsage::default() }
}

impl Responses {
    /// The call as chat, and what the answer repeats of it.
    fn told(&self) -> Result<&(Translated<ChatRequest>, Echo), BadRequest> {
        self.chat.get_or_init(|| responses_over_chat::request(&self.request)).as_ref().map_err(Clone::clone)
    }
}

impl Messages {
    /// Whether the caller asked to see the model think.
    fn wants_thinking(&self) -> bool {
        asks_to_think(self.request.raw("thinking"))
    }
}

fn asks_to_think(thinking: Option<&str>) -> bool {
    thinking.is_some_and(|raw| raw != "null" && !raw.contains("\"disabled\""))
}

fn joined(mut first: Vec<String>, second: &[String]) -> Vec<String> {
    first.extend(second.iter().filter(|name| !first.contains(name)).cloned().collect::<Vec<_>>());
    first
}
