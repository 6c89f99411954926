//! What the refusals and failures of a model call look like to a caller.

use std::time::Duration;

use hub_domain::credits::{BudgetShort, HoldError};
use hub_domain::inference::replay::{Interrupted, ResumeError};
use hub_domain::inference::{Attempt, Busy, InferenceError, Limited};
use hub_domain::inference::{BadRequest, LlmError, ProviderFault};
use hub_types::{Credits, ErrorCode, HoldId};
use hub_web::{ApiError, ProviderWords, Telling};
use serde_json::json;

/// When a caller may try again while the database is away.
const RETRY: Duration = Duration::from_secs(2);
/// When a repetition of a running call may be tried again.
const SOON: Duration = Duration::from_secs(1);

/// A request that is not one.
pub(crate) fn bad_request(error: BadRequest) -> ApiError {
    ApiError::validation(error.param.unwrap_or_else(|| "body".to_owned()), error.message)
}

/// A call that was refused or failed.
pub(crate) fn inference(error: InferenceError) -> ApiError {
    match error {
        InferenceError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        InferenceError::ModelNotFound { model } => ApiError::new(ErrorCode::ModelNotFound)
            .message(format!("The model {model:?} does not exist or you may not use it"))
            .field("model", "is not available"),
        InferenceError::Unsendable(error) => bad_request(error),
        InferenceError::TooLarge => ApiError::new(ErrorCode::Validation).message("The call is too large to be priced"),
        InferenceError::Capped { needed, cap } => capped(needed, cap),
        InferenceError::Hold(error) => hold(error),
        InferenceError::Limited(limited) => reached(&limited),
        InferenceError::Busy(busy) => occupied(&busy),
        InferenceError::Refused { status, fault } => refused(status, &fault),
        InferenceError::AllFailed { ref attempts, retry_after, .. } => {
            let details = json!({ "attempts": attempts });
            let mut answer = later(ApiError::new(ErrorCode::AllProvidersFailed).details(details), retry_after);
            answer.telling = common(attempts);
            answer.source(error)
        }
        InferenceError::Broken(ref failure) => broken_off(failure).source(error),
        InferenceError::Cancelled(_) => ApiError::new(ErrorCode::Conflict).message("The call was cancelled"),
        InferenceError::LeaseLost => ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error),
        InferenceError::Revoked => ApiError::unauthenticated().source(error),
        InferenceError::Unsettled { receipt, error: ref cause } if cause.is_unavailable() => {
            ApiError::new(ErrorCode::Unavailable)
                .message("The answer is made and will be charged, but the database is away; with an Idempotency-Key a repetition gets it")
                .details(json!({ "receipt": receipt }))
                .retry_after(RETRY)
                .source(error)
        }
        InferenceError::Store(error) if error.is_unavailable() => {
            ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error)
        }
        InferenceError::Unsettled { .. } | InferenceError::Store(_) | InferenceError::Lost => ApiError::internal(error),
    }
}

/// An answer that failed after it had begun. The provider's own words reach the caller, as they would without a hub between them; not those
/// about the operator's account there.
fn broken_off(failure: &LlmError) -> ApiError {
    let answer = ApiError::new(ErrorCode::ProviderError);
    let (fault, telling) = match failure.plain() {
        LlmError::ModelNotFound { error } => (error, Some(Telling::NotFound)),
        LlmError::RateLimited { error, .. } => (error, Some(Telling::RateLimited)),
        LlmError::Unavailable { error, status: 503 | 529, .. } => (error, Some(Telling::Overloaded)),
        LlmError::Refused { error, .. } | LlmError::Unavailable { error, .. } => (error, None),
        _ => return answer.message("The provider's answer broke off"),
    };
    let mut answer = answer.message(fault.message().to_owned());
    answer.telling = telling;
    answer.provider =
        Some(Box::new(ProviderWords { code: fault.code().map(Into::into), kind: fault.kind().map(Into::into) }));
    match fault.param() {
        Some(param) => answer.field(param.to_owned(), fault.code().unwrap_or("was refused by the provider").to_owned()),
        None => answer,
    }
}

/// The status that says why nobody answered, where all attempts failed for the same reason.
fn common(attempts: &[Attempt]) -> Option<Telling> {
    let reason = |attempt: &Attempt| match (attempt.outcome, attempt.status) {
        ("model_not_found", _) => Some(Telling::NotFound),
        // Passed over, because its pause is not over.
        ("rate_limited" | "paused", _) => Some(Telling::RateLimited),
        ("unavailable", Some(503 | 529)) => Some(Telling::Overloaded),
        _ => None,
    };
    let first = reason(attempts.first()?)?;
    attempts.iter().all(|attempt| reason(attempt) == Some(first)).then_some(first)
}

/// A stream that is not read again.
pub(crate) fn resume(error: ResumeError) -> ApiError {
    match error {
        ResumeError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        ResumeError::NotFound => ApiError::not_found("Stream"),
        ResumeError::Interrupted(interrupted) => self::interrupted(interrupted),
        ResumeError::Cache(_) => ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error),
    }
}

/// A reading that ends before the stream's last event.
pub(crate) fn interrupted(interrupted: Interrupted) -> ApiError {
    let error = match interrupted {
        Interrupted::Cut => ApiError::new(ErrorCode::Gone)
            .message("The stream was ended before its answer was complete; there is no more of it"),
        Interrupted::Lost => ApiError::new(ErrorCode::Gone).message("The stream is not kept any more"),
        Interrupted::Beyond => ApiError::not_found("Event of this stream"),
        Interrupted::Away | Interrupted::Stopping => ApiError::new(ErrorCode::Unavailable)
            .message("The stream cannot be read on here now; it goes on after the last event that came")
            .retry_after(RETRY),
        Interrupted::Revoked => ApiError::unauthenticated(),
    };
    error.source(interrupted)
}

/// A repetition of a call whose answer was too large to be kept.
pub(crate) fn not_kept(receipt: HoldId) -> ApiError {
    let message = format!("The answer was too large to be kept; the receipt of the call is {receipt}");
    ApiError::new(ErrorCode::Gone).message(message)
}

/// A repetition of a call that is not answered yet and cannot be read along.
pub(crate) fn running() -> ApiError {
    ApiError::new(ErrorCode::Conflict)
        .message("The call with this Idempotency-Key is running; its answer can be had by trying again")
        .retry_after(SOON)
}

/// The caller's own cap is too low for the call.
fn capped(needed: Credits, cap: Credits) -> ApiError {
    let missing = needed.checked_sub(cap).unwrap_or_default();
    ApiError::new(ErrorCode::InsufficientCredits)
        .message(format!("This call may cost up to {needed} credits, your cap for it is {cap}"))
        .details(json!({ "gate": "cap", "needed": needed, "available": cap, "missing": missing }))
}

fn hold(error: HoldError) -> ApiError {
    match error {
        HoldError::Insufficient(short) => {
            let answer = ApiError::new(ErrorCode::InsufficientCredits)
                .message(format!(
                    "This call may cost up to {} credits, {} are available",
                    short.needed, short.spendable
                ))
                .details(json!({
                    "gate": "balance", "needed": short.needed, "available": short.spendable, "held": short.held,
                    "missing": short.missing(),
                }));
            later(answer, short.retry_after)
        }
        HoldError::Budget(short) => budget(&short),
        HoldError::Frozen => ErrorCode::AccountFrozen.into(),
        HoldError::NoAccount => ApiError::not_found("Credit account"),
        HoldError::Store(error) if error.is_unavailable() => {
            ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error)
        }
        HoldError::Store(error) => ApiError::internal(error),
    }
}

/// Which limit, and its numbers.
fn reached(limited: &Limited) -> ApiError {
    let Limited { gate, scope, limit, used, needed, retry_after } = *limited;
    let whose = if scope == "key" { "this key" } else { "this account" };
    let message = match gate {
        "tokens_per_minute" => {
            format!("This call may use up to {needed} tokens; {whose} may use {limit} per minute and has used {used}")
        }
        _ => format!("{used} calls of {whose} are running; {limit} may run at the same time"),
    };
    ApiError::new(ErrorCode::RateLimitExceeded).message(message).retry_after(retry_after).details(json!({
        "gate": gate, "scope": scope, "limit": limit, "used": used, "needed": needed,
    }))
}

/// Which ceiling, and why the call could not wait.
fn occupied(busy: &Busy) -> ApiError {
    let Busy { scope, ref name, ceiling, limit, reason, waiting, retry_after } = *busy;
    let message = match reason {
        "full" => format!("The {scope} {name} is busy, and {waiting} calls wait for it already"),
        "share" => format!("The {scope} {name} is busy, and too many calls of this account wait for it already"),
        _ => format!("The {scope} {name} is busy; it was not this call's turn in time"),
    };
    ApiError::new(ErrorCode::RateLimitExceeded).message(message).retry_after(retry_after).details(json!({
        "gate": "queue", "scope": scope, "name": name, "ceiling": ceiling, "limit": limit, "reason": reason,
        "waiting": waiting,
    }))
}

/// Which budget, its numbers, and when it begins again.
fn budget(short: &BudgetShort) -> ApiError {
    let whose = if short.scope == "key" { "this key" } else { "this account" };
    let (needed, left) = (short.needed, short.available());
    let message = match short.period {
        "total" => format!("This call may cost up to {needed} credits, {left} are left of the budget of {whose}"),
        period => {
            format!("This call may cost up to {needed} credits, {left} are left of the {period}'s budget of {whose}")
        }
    };
    let answer = ApiError::new(ErrorCode::BudgetExceeded).message(message).details(json!({
        "gate": "budget", "scope": short.scope, "period": short.period, "limit": short.limit, "spent": short.spent,
        "held": short.held, "available": left, "needed": needed, "missing": short.missing(), "resetsAt": short.resets_at,
    }));
    later(answer, short.retry_after)
}

/// With the time after which it is worth trying again, where there is one.
fn later(answer: ApiError, retry_after: Option<Duration>) -> ApiError {
    match retry_after {
        Some(wait) => answer.retry_after(wait),
        None => answer,
    }
}

/// The provider's own words reach the caller where the request was at fault.
fn refused(status: u16, fault: &ProviderFault) -> ApiError {
    let code = match status {
        403 => ErrorCode::ProviderError,
        413 => ErrorCode::PayloadTooLarge,
        _ => ErrorCode::Validation,
    };
    let mut answer = ApiError::new(code).message(fault.message().to_owned());
    // Programs that know OpenAI's wire go by its codes, such as `context_length_exceeded`.
    if let Some(code) = fault.code().filter(|_| status != 403) {
        answer = answer.provider_code(code);
    }
    match fault.param() {
        Some(param) => answer.field(param.to_owned(), fault.code().unwrap_or("was refused by the provider").to_owned()),
        None => answer.details(json!({ "provider": fault.to_json() })),
    }
}
