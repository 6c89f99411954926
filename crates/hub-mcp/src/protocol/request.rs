//! What a client asks in the spec's protocol.

use hub_domain::inference::{CallRequest, ChatInput, ChatRequest, Choice, EmbeddingsRequest};
use hub_types::Credits;
use hub_web::ApiError;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::errors;

/// Longest id a client may give a request, in bytes.
const MAX_ID: usize = 128;

/// A request: the spec's `MCPRequest`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct McpRequest {
    /// The client's own name for the request; every answer carries it. 1 to 128 bytes.
    pub(crate) id: String,
    /// What is asked.
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// Who is to answer.
    #[serde(default)]
    provider: Provider,
    /// The model.
    model: String,
    /// For `chat`: the conversation so far.
    messages: Option<Vec<Message>>,
    /// For `completion`: the text to go on from. For `embedding`: the text to turn into a vector.
    prompt: Option<String>,
    /// Whether the answer comes in pieces.
    #[serde(default)]
    pub(crate) stream: bool,
    /// Whether the stream is recorded, so that it can be read again after a lost connection; as the header `x-hub-resume: 1`.
    #[serde(default)]
    pub(crate) resume: bool,
    /// The client's own key for the call, 1 to 255 visible ASCII characters; as the header `Idempotency-Key`. A repetition under it makes no
    /// call and costs nothing: it gets the answer of the first, or its stream while that runs.
    pub(crate) idempotency_key: Option<String>,
    /// Longest answer in tokens.
    max_tokens: Option<i64>,
    /// The most you want to pay for it, in credits above zero.
    max_credits: Option<Credits>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Go on from a text.
    Completion,
    /// Answer a conversation.
    Chat,
    /// Turn a text into a vector.
    Embedding,
}

/// Who is to answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Provider {
    /// A provider of OpenAI's models.
    Openai,
    /// A provider of Anthropic's models.
    Claude,
    /// Whoever serves the model.
    #[default]
    Auto,
}

/// One message of a conversation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Message {
    /// `system`, `user` or `assistant`.
    role: Role,
    /// Its text.
    content: String,
}

/// Who says something in a chat.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MessageRole)]
enum Role {
    System,
    User,
    Assistant,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl McpRequest {
    /// The model that is asked for.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    /// The same request with the cap of its header too: the lower one counts.
    pub(crate) fn capped(mut self, cap: Option<Credits>) -> Self {
        self.max_credits = [self.max_credits, cap].into_iter().flatten().min();
        self
    }

    /// The call this request asks for.
    pub(crate) fn into_input(self, route: &'static str, request_id: String) -> Result<ChatInput, ApiError> {
        if self.id.is_empty() || self.id.len() > MAX_ID {
            return Err(ApiError::validation("id", format!("must have 1 to {MAX_ID} bytes")));
        }
        if self.max_credits.is_some_and(|cap| !cap.is_positive()) {
            return Err(ApiError::validation("maxCredits", "must be a number of credits above zero"));
        }
        let request = self.request()?;
        let cap = self.max_credits;
        let choice = match self.provider {
            Provider::Auto => Choice::Auto,
            Provider::Openai => Choice::Service("openai".to_owned()),
            Provider::Claude => Choice::Service("claude".to_owned()),
        };
        let kind = match self.kind {
            Kind::Chat => "chat",
            Kind::Completion => "completion",
            Kind::Embedding => "embedding",
        };
        Ok(ChatInput { request, choice, route, kind, request_id, cap })
    }

    fn request(&self) -> Result<CallRequest, ApiError> {
        let messages: Vec<(&str, &str)> = match (self.kind, &self.messages, &self.prompt) {
            (Kind::Chat, Some(messages), None) => {
                messages.iter().map(|m| (m.role.as_str(), m.content.as_str())).collect()
            }
            (Kind::Chat, ..) => return Err(ApiError::validation("messages", "a chat needs messages and no prompt")),
            (Kind::Completion, None, Some(prompt)) => vec![("user", prompt.as_str())],
            (Kind::Completion, ..) => {
                return Err(ApiError::validation("prompt", "a completion needs a prompt and no messages"));
            }
            (Kind::Embedding, None, Some(prompt)) if !self.stream && self.max_tokens.is_none() => {
                let request = EmbeddingsRequest::from_texts(&self.model, &[prompt.as_str()]);
                return Ok(request.map_err(errors::bad_request)?.into());
            }
            (Kind::Embedding, ..) => {
                return Err(ApiError::validation(
                    "prompt",
                    "an embedding needs a prompt, and no messages, maxTokens or stream",
                ));
            }
        };
        let request = ChatRequest::from_messages(&self.model, &messages, self.max_tokens, self.stream);
        Ok(request.map_err(errors::bad_request)?.into())
    }
}
