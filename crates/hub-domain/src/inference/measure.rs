//! The metrics of model calls. Labels come from closed sets: providers are configured, models have a price. Never a user.

use std::time::Duration;

use super::Bill;
use super::registry::Candidate;

/// `llm_requests_total` of the spec.
pub(super) fn request(status: &'static str, candidate: &Candidate) {
    let (provider, model) = (candidate.provider.name().to_owned(), candidate.price.model.clone());
    metrics::counter!("llm_requests_total", "provider" => provider, "model" => model, "status" => status).increment(1);
}

/// One try, or a candidate that was passed over.
pub(super) fn attempt(outcome: &'static str, candidate: &Candidate) {
    metrics::counter!("llm_attempts_total", "provider" => candidate.key(), "outcome" => outcome).increment(1);
}

/// A credential that was refused, or whose account is empty: alarm on any.
pub(super) fn useless(reason: &'static str, candidate: &Candidate) {
    metrics::counter!("llm_credentials_refused_total", "provider" => candidate.key(), "reason" => reason).increment(1);
}

/// Tokens, credits and time to first token of a settled call.
pub(super) fn bill(bill: &Bill, first_token_ms: Option<i64>) {
    for (class, tokens) in [("prompt", bill.usage.prompt()), ("completion", bill.usage.completion())] {
        let tokens = u64::try_from(tokens).unwrap_or(0);
        metrics::counter!("llm_tokens_total", "provider" => bill.provider.clone(), "class" => class).increment(tokens);
    }
    let micro = u64::try_from(bill.credits.micro()).unwrap_or(0);
    metrics::counter!("credits_charged_micro_total", "provider" => bill.provider.clone()).increment(micro);
    if let Some(first) = first_token_ms {
        let seconds = Duration::from_millis(u64::try_from(first).unwrap_or(0)).as_secs_f64();
        metrics::histogram!("llm_time_to_first_token_seconds", "provider" => bill.provider.clone()).record(seconds);
    }
}
