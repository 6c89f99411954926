//! The metrics of model calls. Labels come from closed sets: providers are configured, models have a price. Never a user.

use std::time::Duration;

use tracing::field::Empty;

use super::registry::Candidate;
use super::{Bill, ChatInput};
use crate::credits::Outcome;

/// `llm_requests_total` of the spec.
pub(super) fn request(outcome: &'static str, candidate: &Candidate) {
    let (provider, model) = (candidate.provider.name().to_owned(), candidate.price.model.clone());
    metrics::counter!("llm_requests_total", "provider" => provider, "model" => model, "outcome" => outcome)
        .increment(1);
}

/// One try, or a candidate that was passed over.
pub(super) fn attempt(outcome: &'static str, candidate: &Candidate) {
    metrics::counter!("llm_attempts_total", "provider" => candidate.key(), "outcome" => outcome).increment(1);
}

/// A credential that was refused, or whose account is empty: alarm on any.
pub(super) fn useless(reason: &'static str, candidate: &Candidate) {
    metrics::counter!("llm_credentials_refused_total", "provider" => candidate.key(), "reason" => reason).increment(1);
}

/// Tokens, credits, duration and time to first token of a settled call.
pub(super) fn bill(bill: &Bill, candidate: &Candidate, first_token_ms: Option<i64>) {
    let usage = bill.usage;
    let classes = [
        ("input", usage.input),
        ("cache_read", usage.cache_read),
        ("cache_write", usage.cache_write),
        ("cache_write_long", usage.cache_write_long),
        ("input_audio", usage.input_audio),
        ("input_image", usage.input_image),
        ("output", usage.output),
        ("reasoning", usage.reasoning),
        ("output_audio", usage.output_audio),
        ("output_image", usage.output_image),
    ];
    for (class, tokens) in classes.into_iter().filter(|(_, tokens)| *tokens > 0) {
        let (provider, model) = (bill.provider.clone(), candidate.price.model.clone());
        let tokens = u64::try_from(tokens).unwrap_or(0);
        metrics::counter!("llm_tokens_total", "provider" => provider, "model" => model, "class" => class)
            .increment(tokens);
    }
    let micro = u64::try_from(bill.credits.micro()).unwrap_or(0);
    metrics::counter!("credits_charged_micro_total", "provider" => bill.provider.clone()).increment(micro);
    let took = Duration::from_millis(u64::try_from(bill.latency_ms).unwrap_or(0)).as_secs_f64();
    let (provider, model) = (bill.provider.clone(), candidate.price.model.clone());
    metrics::histogram!("llm_request_duration_seconds", "provider" => provider, "model" => model).record(took);
    if let Some(first) = first_token_ms {
        let seconds = Duration::from_millis(u64::try_from(first).unwrap_or(0)).as_secs_f64();
        let (provider, model) = (bill.provider.clone(), candidate.price.model.clone());
        metrics::histogram!("llm_time_to_first_token_seconds", "provider" => provider, "model" => model)
            .record(seconds);
    }
}

/// Who waits and who runs in a queue, of all processes together.
pub(super) fn queue(scope: &'static str, name: &str, (waiting, running): (usize, usize)) {
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    metrics::gauge!("llm_queue_waiting", "scope" => scope, "name" => name.to_owned()).set(count(waiting));
    metrics::gauge!("llm_queue_running", "scope" => scope, "name" => name.to_owned()).set(count(running));
}

/// How long a call waited before it passed.
pub(super) fn waited(scope: &'static str, name: &str, wait: Duration) {
    metrics::histogram!("llm_queue_wait_seconds", "scope" => scope, "name" => name.to_owned())
        .record(wait.as_secs_f64());
}

/// A call under a credential, counted while this lives.
pub(super) struct InUse(metrics::Gauge);

/// Counts a call of this process under the candidate's credential.
pub(super) fn in_use(candidate: &Candidate) -> InUse {
    let provider = candidate.provider.name().to_owned();
    let credential = candidate.credential.as_deref().unwrap_or_default().to_owned();
    let gauge = metrics::gauge!("llm_credential_calls", "provider" => provider, "credential" => credential);
    gauge.increment(1.0);
    InUse(gauge)
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// The span of a call, with the attribute names that OpenTelemetry gives to calls of models. Nothing of what is said goes into it.
pub(super) fn span(input: &ChatInput) -> tracing::Span {
    let operation = match input.kind {
        "embedding" => "embeddings",
        "completion" => "text_completion",
        other => other,
    };
    tracing::info_span!(
        "llm",
        gen_ai.operation.name = operation,
        gen_ai.request.model = input.request.model(),
        gen_ai.provider.name = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        hub.outcome = Empty,
        hub.receipt = Empty,
    )
}

/// Writes into the current span how the call ended.
pub(super) fn end_span(bill: &Bill, outcome: Outcome) {
    let span = tracing::Span::current();
    span.record("gen_ai.provider.name", bill.provider.as_str());
    span.record("gen_ai.usage.input_tokens", bill.usage.prompt());
    span.record("gen_ai.usage.output_tokens", bill.usage.completion());
    span.record("hub.outcome", outcome.as_str());
    span.record("hub.receipt", tracing::field::display(bill.receipt));
}
