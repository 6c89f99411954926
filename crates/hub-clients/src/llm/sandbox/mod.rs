//! The sandbox: a provider inside the hub. It needs no key and no network and answers by a fixed rule, so that the hub can
//! be tried, demonstrated and tested with everything switched on.
//!
//! It is honest about itself: every answer begins with `[sandbox]`. One word is one token, so its bills can be checked by
//! eye, [`LlmProvider::bound`] is exact, and [`SandboxMeter`] says what it truly produced. It must never pretend to be a
//! model and never be used to hide that a real provider failed.
//!
//! Words in the last user message steer it (they are not echoed):
//!
//! | word | effect |
//! |---|---|
//! | `sandbox:words=200` | the answer has 200 words (1 to 20 000) |
//! | `sandbox:delay=50` | 50 ms pass before each word (0 to 1 000; the whole answer takes at most 10 minutes) |
//! | `sandbox:fail=400`, `401`, `429`, `500`, `timeout` | the call fails so |
//! | `sandbox:cut=5` | a stream breaks off after 5 words, without usage; an answer that is no stream fails |
//! | `sandbox:no-usage` | the answer carries no usage |
//!
//! Its vectors are made of the words of a text: the same text has the same vector, and texts that share words are near each other.

mod embedding;
mod meter;
mod render;
mod script;
mod stream;

use std::time::Duration;

use futures::future::BoxFuture;
use hub_types::{Clock, TokenUsage};

use self::render::Head;
use self::script::{Failure, Script};
use super::count::Estimate;
use super::{
    BadRequest, CallRequest, ChatAnswer, ChatCall, ChatRequest, ChatStream, EmbeddingsRequest, LlmError, LlmProvider,
    ModelInfo, OnHangup, ProviderFault, TokenBound, Wait, WholeAnswer,
};

pub use self::meter::SandboxMeter;

/// The sandbox's chat model.
pub const CHAT_MODEL: &str = "sandbox";
/// The sandbox's model for vectors.
pub const EMBEDDING_MODEL: &str = "sandbox-embedding";
/// When those models were made, for the list of models: the start of 2026.
const MODEL_CREATED: i64 = 1_767_225_600;

/// How the sandbox behaves unless a message says otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct SandboxSettings {
    /// Time before each word.
    pub word_delay: Duration,
}

/// The provider inside the hub.
pub struct SandboxProvider {
    settings: SandboxSettings,
    clock: Clock,
    meter: SandboxMeter,
}

impl SandboxProvider {
    /// A sandbox; `clock` dates its answers.
    pub fn new(settings: SandboxSettings, clock: Clock) -> Self {
        Self { settings, clock, meter: SandboxMeter::default() }
    }

    /// A handle on the sandbox's own meter, to compare with what the hub charged.
    pub fn meter(&self) -> SandboxMeter {
        self.meter.clone()
    }

    async fn answer(&self, call: ChatCall) -> Result<ChatAnswer, LlmError> {
        if let Some(embeddings) = call.request.embeddings() {
            return self.embed(embeddings, &call).map(ChatAnswer::Whole);
        }
        known(&call.upstream_model, CHAT_MODEL)?;
        let chat = call.request.as_chat().map_err(LlmError::unsendable)?;
        let answer = self.chat_once(chat.request, &call).await?;
        call.request.tell(answer, chat.dropped, &call.request_id)
    }

    fn embed(&self, embeddings: &EmbeddingsRequest, call: &ChatCall) -> Result<WholeAnswer, LlmError> {
        known(&call.upstream_model, EMBEDDING_MODEL)?;
        let (body, input) = embedding::answer(embeddings);
        self.meter.begin(input);
        Ok(WholeAnswer {
            body,
            text: String::new(),
            usage: Some(TokenUsage { input, ..TokenUsage::default() }),
            terms: None,
            output: Estimate::default(),
            reasoning: Estimate::default(),
            finish: None,
            upstream_id: Some(format!("sandbox-{}", call.request_id)),
            dropped: Vec::new(),
        })
    }

    async fn chat_once(&self, chat: &ChatRequest, call: &ChatCall) -> Result<ChatAnswer, LlmError> {
        let limit = [call.max_output, chat.max_output()].into_iter().flatten().min();
        let script = Script::new(chat, limit, self.settings.word_delay);
        if let Some(failure) = script.failure {
            return Err(failed(failure));
        }
        let upstream_id = Some(format!("sandbox-{}", call.request_id));
        let head = Head::new(&call.request_id, self.clock.now(), &call.upstream_model);
        if chat.stream() {
            self.meter.begin(script.input);
            let events = stream::events(script, head, self.meter.clone());
            return Ok(ChatAnswer::Stream(ChatStream { upstream_id, dropped: Vec::new(), events }));
        }
        if script.cut.is_some() {
            return Err(LlmError::Truncated(None));
        }
        tokio::time::sleep(script.delay.saturating_mul(u32::try_from(script.words.len()).unwrap_or(u32::MAX))).await;
        self.meter.begin(script.input);
        self.meter.produce(script.output());
        Ok(ChatAnswer::Whole(WholeAnswer {
            body: head.whole(&script),
            text: script.words.join(" "),
            usage: script.with_usage.then(|| script.usage()),
            terms: None,
            output: Estimate::exactly(script.output()),
            reasoning: Estimate::default(),
            finish: Some(script.finish.to_owned()),
            upstream_id,
            dropped: Vec::new(),
        }))
    }
}

impl LlmProvider for SandboxProvider {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn service(&self) -> &'static str {
        "sandbox"
    }

    /// It fails when a message asks for it, which is nobody else's business.
    fn has_health(&self) -> bool {
        false
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelInfo>, LlmError>> {
        let model = |id: &str| ModelInfo { id: id.to_owned(), created: MODEL_CREATED, owned_by: "sandbox".to_owned() };
        let models = [CHAT_MODEL, EMBEDDING_MODEL].map(model);
        Box::pin(async { Ok(models.into()) })
    }

    /// Exactly what the sandbox will bill when the call succeeds.
    fn bound(&self, call: &CallRequest, _model: &str, max_output_default: i64) -> Result<TokenBound, BadRequest> {
        if let Some(embeddings) = call.embeddings() {
            return Ok(TokenBound { input: embedding::tokens(embeddings), output: 0 });
        }
        let chat = call.as_chat()?.request;
        let limit = chat.max_output().unwrap_or(max_output_default);
        let script = Script::new(chat, Some(limit), Duration::ZERO);
        Ok(TokenBound { input: script.input, output: script.output() })
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatAnswer, LlmError>> {
        Box::pin(self.answer(call))
    }

    /// The sandbox makes a word when it is asked for the next event and not before, so stopping costs nothing more.
    fn on_hangup(&self) -> OnHangup {
        OnHangup::Cancel
    }

    /// Exact, since the sandbox counts words: what has been relayed is what was produced.
    fn counted(&self, call: &CallRequest, output: Estimate, _reasoning: Estimate) -> TokenUsage {
        let input = call.as_chat().map_or(0, |chat| script::input_tokens(&chat.request.messages()));
        TokenUsage { input, output: output.tokens(), ..TokenUsage::default() }
    }

    fn count_tokens(&self, call: ChatCall) -> BoxFuture<'_, Result<Option<i64>, LlmError>> {
        Box::pin(async move {
            let chat = call.request.as_chat().map_err(LlmError::unsendable)?;
            Ok(Some(script::input_tokens(&chat.request.messages())))
        })
    }
}

fn known(asked: &str, model: &str) -> Result<(), LlmError> {
    if asked == model {
        return Ok(());
    }
    Err(LlmError::ModelNotFound { error: fault("the sandbox has only its own models", "model_not_found") })
}

fn fault(message: &str, code: &str) -> ProviderFault {
    ProviderFault::with_words(message, Some("sandbox_error"), None, Some(code), None)
}

fn failed(failure: Failure) -> LlmError {
    let error = fault("the message asked the sandbox to fail", "sandbox_failure");
    match failure {
        Failure::BadRequest => LlmError::Refused { status: 400, error },
        Failure::Credential => LlmError::Credential { error },
        Failure::RateLimited => LlmError::RateLimited { retry_after: Some(Duration::from_secs(1)), error },
        Failure::ServerError => LlmError::Unavailable { status: 500, retry_after: None, error },
        Failure::Timeout => LlmError::Timeout(Wait::FirstByte),
    }
}

#[cfg(test)]
mod tests;
