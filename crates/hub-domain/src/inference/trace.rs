//! What a tracer is told of a call beside the span `llm`: facts, and a span for every try.
//!
//! All of it goes to [`TRACE_TARGET`], which logs leave out. Where nobody traces, the call sites are switched off and cost nothing. Nothing
//! that is said, by the caller or by the model, goes into it. Whole numbers are `i64`, or the tracer takes them for text.

use std::borrow::Cow;

use serde::Deserialize;
use tracing::field::Empty;
use tracing::{Level, Span};

use super::meter::Meter;
use super::registry::Candidate;
use super::{Attempt, Bill, ChatInput, InferenceError, ProviderKind};
use crate::credits::Outcome;

/// The target of spans and events that are for tracers only.
pub const TRACE_TARGET: &str = "otel";
/// The message of an event whose fields are facts about the span it happened in.
pub const TRACE_FACTS: &str = "facts";

/// What was asked for.
pub(super) fn asked(input: &ChatInput) {
    tracing::event!(
        target: TRACE_TARGET,
        Level::INFO,
        gen_ai.request.stream = input.request.stream(),
        gen_ai.request.max_tokens = input.request.max_output(),
        hub.route = input.route,
        "{TRACE_FACTS}"
    );
}

/// What the beginning of an answer says about itself: its id, and the model as the provider names it.
pub(super) fn begun(piece: &[u8]) {
    if !tracing::enabled!(target: TRACE_TARGET, Level::INFO) {
        return;
    }
    if let Some(answer) = Answer::read(piece) {
        let (id, model) = (answer.id.as_deref(), answer.model.as_deref());
        tracing::event!(target: TRACE_TARGET, Level::INFO, gen_ai.response.id = id, gen_ai.response.model = model, "{TRACE_FACTS}");
    }
}

/// How a call ended that was held for: also one that came to nothing.
pub(super) fn settled(
    bill: &Bill,
    candidate: &Candidate,
    meter: &Meter,
    outcome: Outcome,
    first_token_ms: Option<i64>,
) {
    if !tracing::enabled!(target: TRACE_TARGET, Level::INFO) {
        return;
    }
    let place = Place::of(candidate);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of one call")]
    let first = first_token_ms.map(|first| first as f64 / 1000.0);
    tracing::event!(
        target: TRACE_TARGET,
        Level::INFO,
        gen_ai.provider.name = place.provider,
        hub.provider = bill.provider,
        server.address = place.address(),
        server.port = place.port(),
        // One word for now; who exports makes the list of it that the convention wants.
        gen_ai.response.finish_reasons = meter.finish(),
        gen_ai.response.time_to_first_chunk = first,
        gen_ai.usage.cache_read.input_tokens = bill.usage.cache_read,
        gen_ai.usage.cache_creation.input_tokens = bill.usage.cache_write,
        gen_ai.usage.reasoning.output_tokens = bill.usage.reasoning,
        error.type = (outcome == Outcome::Failed).then_some("broken_off"),
        "{TRACE_FACTS}"
    );
}

/// Why a call was refused, or came to nothing.
pub(super) fn failed(error: &InferenceError) {
    failed_as(kind(error));
}

/// The same in one word of a closed set.
pub(super) fn failed_as(kind: &'static str) {
    tracing::event!(target: TRACE_TARGET, Level::INFO, error.type = kind, "{TRACE_FACTS}");
}

/// One word of a closed set.
fn kind(error: &InferenceError) -> &'static str {
    match error {
        InferenceError::Denied(_) => "denied",
        InferenceError::ModelNotFound { .. } => "model_not_found",
        InferenceError::Unsendable(_) => "unsendable",
        InferenceError::TooLarge => "too_large",
        InferenceError::Capped { .. } => "over_cap",
        InferenceError::Hold(_) => "hold",
        InferenceError::Limited(_) => "limited",
        InferenceError::Busy(_) => "busy",
        InferenceError::Refused { .. } => "refused",
        InferenceError::AllFailed { last, .. } => last.as_ref().map_or("all_failed", |last| last.kind()),
        InferenceError::Broken(error) => error.kind(),
        InferenceError::Cancelled(_) => "cancelled",
        InferenceError::LeaseLost => "lease_lost",
        InferenceError::Revoked => "revoked",
        InferenceError::Unsettled { .. } | InferenceError::Store(_) => "database",
        InferenceError::Lost => "lost",
    }
}

/// The span of one try, from asking until the answer begins.
pub(super) struct Try(Span);

impl Try {
    /// Begins now, in the span of the call.
    pub(super) fn begin(candidate: &Candidate, number: u32) -> Self {
        if !tracing::enabled!(target: TRACE_TARGET, Level::INFO) {
            return Self(Span::none());
        }
        let place = Place::of(candidate);
        Self(tracing::info_span!(
            target: TRACE_TARGET,
            "attempt",
            otel.kind = "client",
            gen_ai.provider.name = place.provider,
            gen_ai.request.model = candidate.price.model,
            server.address = place.address(),
            server.port = place.port(),
            hub.provider = candidate.provider.name(),
            hub.credential = candidate.credential.as_deref(),
            hub.attempt = i64::from(number),
            http.response.status_code = Empty,
            error.type = Empty,
            otel.status_code = Empty,
        ))
    }

    /// Ends as the attempt did.
    pub(super) fn end(self, attempt: Option<&Attempt>) {
        let Some(attempt) = attempt.filter(|attempt| attempt.outcome != "ok") else { return };
        self.0.record("error.type", attempt.outcome);
        self.0.record("otel.status_code", "ERROR");
        if let Some(status) = attempt.status {
            self.0.record("http.response.status_code", i64::from(status));
        }
    }
}

/// Where a provider is, and whose protocol it speaks.
struct Place {
    provider: &'static str,
    url: Option<url::Url>,
}

impl Place {
    fn of(candidate: &Candidate) -> Self {
        let provider = match candidate.pool.kind {
            ProviderKind::Anthropic => "anthropic",
            ProviderKind::Openai | ProviderKind::Compatible => "openai",
            ProviderKind::Sandbox => "sandbox",
        };
        Self { provider, url: candidate.pool.base_url.parse().ok() }
    }

    fn address(&self) -> Option<&str> {
        self.url.as_ref()?.host_str()
    }

    fn port(&self) -> Option<i64> {
        self.url.as_ref()?.port_or_known_default().map(i64::from)
    }
}

/// What every wire says of an answer, at one of three places.
#[derive(Debug, Default, Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    /// Anthropic's first event.
    #[serde(borrow, default)]
    message: Option<Box<Answer<'a>>>,
    /// The first event of OpenAI's responses.
    #[serde(borrow, default)]
    response: Option<Box<Answer<'a>>>,
}

impl<'a> Answer<'a> {
    /// Of a whole answer, or of the first event of a stream.
    fn read(piece: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(piece).ok()?.trim_start();
        let json =
            if text.starts_with('{') { text } else { text.lines().find_map(|line| line.strip_prefix("data:"))? };
        let answer: Self = serde_json::from_str(json).ok()?;
        Some(match answer {
            Self { message: Some(inner), .. } | Self { response: Some(inner), .. } => *inner,
            answer => answer,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(piece: &str) -> Option<(Option<String>, Option<String>)> {
        let answer = Answer::read(piece.as_bytes())?;
        Some((answer.id.map(Cow::into_owned), answer.model.map(Cow::into_owned)))
    }

    #[test]
    fn every_wire_says_who_answered() {
        let known = Some((Some("a1".to_owned()), Some("m".to_owned())));
        for piece in [
            r#"{"id":"a1","model":"m","choices":[{"message":{"content":"hush"}}]}"#,
            "data: {\"id\":\"a1\",\"model\":\"m\",\"choices\":[]}\n\n",
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"a1\",\"model\":\"m\"}}\n\n",
            "event: response.created\ndata: {\"response\":{\"id\":\"a1\",\"model\":\"m\"}}\n\n",
        ] {
            assert_eq!(read(piece), known, "{piece}");
        }
        assert_eq!(read(r#"{"data":[]}"#), Some((None, None)));
        assert_eq!(read(": comment\n\n"), None);
        assert_eq!(read("[DONE]"), None);
    }
}
