//! When a failed try is made again, and how long that waits (providers.md §1.4, §3.5).
//!
//! Only failures that left nothing behind are tried again at the same provider; a request that is itself at fault never is.

use std::time::Duration;

use hub_clients::llm::{LlmError, MAX_RETRY_AFTER};
use hub_types::Timestamp;

use super::breaker::{self, Until, Verdict};
use super::registry::Candidate;
use super::route::{Dice, Settings};
use crate::Hub;

/// True when the same provider may be asked again. An answer that broke off was begun, and billed: that one is not.
pub(super) fn again(error: &LlmError) -> bool {
    match error.plain() {
        LlmError::RateLimited { .. } | LlmError::Unavailable { .. } | LlmError::Connect(_) | LlmError::Timeout(_) => {
            error.retryable()
        }
        LlmError::Refused { .. }
        | LlmError::Credential { .. }
        | LlmError::Quota { .. }
        | LlmError::ModelNotFound { .. }
        | LlmError::Protocol(_)
        | LlmError::Untellable(_)
        | LlmError::Certificate(_)
        | LlmError::TooLarge { .. }
        | LlmError::Truncated(_)
        | LlmError::Encoded { .. }
        | LlmError::Last(_) => false,
    }
}

/// What a failure says about its provider.
pub(super) fn verdict(error: &LlmError) -> Verdict {
    match error.plain() {
        LlmError::Unavailable { .. }
        | LlmError::Connect(_)
        | LlmError::Certificate(_)
        | LlmError::Timeout(_)
        | LlmError::Protocol(_)
        | LlmError::Truncated(_) => Verdict::Failed,
        LlmError::Credential { .. } | LlmError::Quota { .. } => Verdict::Useless,
        // It answered; that we cannot tell it is our own fault.
        LlmError::Refused { .. } | LlmError::ModelNotFound { .. } | LlmError::Untellable(_) => Verdict::Well,
        // How answers are coded is decided on the way to it, and is the operator's to set right.
        LlmError::RateLimited { .. } | LlmError::TooLarge { .. } | LlmError::Encoded { .. } | LlmError::Last(_) => {
            Verdict::Unknown
        }
    }
}

/// The pause before the next try, after `tries` of them: what the provider asks for, else by lot from nothing to a bound that doubles.
pub(super) fn pause(settings: &Settings, tries: u32, error: &LlmError, dice: &Dice) -> Duration {
    if let Some(asked) = error.retry_after() {
        return asked.min(MAX_RETRY_AFTER);
    }
    let doubled = settings.first_pause_ms.saturating_mul(1 << tries.saturating_sub(1).min(20));
    Duration::from_millis(dice.below(doubled.min(settings.longest_pause_ms).saturating_add(1)))
}

/// How long after a pause calls are let through one after the other, unless it is known earlier that the provider takes them.
const RECOVERY: Duration = Duration::from_mins(1);

/// Lets nobody call this provider for as long as it asks, else for as long as the settings say.
pub(super) async fn pause_for_all(hub: &Hub, candidate: &Candidate, asked: Option<Duration>) {
    let pause = asked.unwrap_or(hub.settings.routing.rate_limit_pause()).min(MAX_RETRY_AFTER);
    breaker::put(hub, &key(&candidate.key()), Until { until: hub.clock.now() + pause }, pause + RECOVERY).await;
}

/// The pause of this provider, if it has one now.
pub(super) async fn paused(hub: &Hub, candidate: &Candidate) -> Option<Until> {
    let paused = breaker::get(hub, &key(&candidate.key())).await?;
    paused.left(hub.clock.now()).map(|_| paused)
}

/// The last pause of this provider, until it is known to take calls again.
pub(super) async fn limited(hub: &Hub, candidate: &Candidate) -> Option<Until> {
    breaker::get(hub, &key(&candidate.key())).await
}

/// It takes calls again, and nobody waits any more.
pub(super) async fn recovered(hub: &Hub, candidate: &Candidate) {
    // Another call may have been limited meanwhile.
    if limited(hub, candidate).await.is_some_and(|pause| pause.left(hub.clock.now()).is_none()) {
        breaker::forget(hub, &key(&candidate.key())).await;
    }
}

/// When the pause of the provider with this key ends, if it has one now.
pub(super) async fn paused_until(hub: &Hub, provider: &str) -> Option<Timestamp> {
    let paused = breaker::get(hub, &key(provider)).await?;
    paused.left(hub.clock.now()).map(|_| paused.until)
}

fn key(provider: &str) -> String {
    format!("rate_limited:{provider}")
}

#[cfg(test)]
mod tests {
    use hub_clients::llm::{ProviderFault, Wait};

    use super::*;

    fn down(status: u16, advice: Option<bool>, retry_after: Option<u64>) -> LlmError {
        let error = ProviderFault::new("x").with_retry_advice(advice);
        LlmError::Unavailable { status, retry_after: retry_after.map(Duration::from_secs), error }
    }

    #[test]
    fn only_what_is_safe_is_tried_again() {
        let fault = || ProviderFault::new("x");
        assert!(again(&down(529, None, None)) && again(&LlmError::Timeout(Wait::FirstByte)));
        assert!(again(&LlmError::RateLimited { retry_after: None, error: fault() }));
        for never in [
            LlmError::Refused { status: 400, error: fault().with_retry_advice(Some(true)) },
            LlmError::Credential { error: fault() },
            LlmError::Quota { error: fault() },
            LlmError::ModelNotFound { error: fault() },
            LlmError::Truncated(None),
            LlmError::Timeout(Wait::Idle),
            LlmError::Protocol("x"),
            LlmError::Untellable("x"),
            LlmError::Encoded { coding: "gzip" },
            down(503, Some(false), None),
            down(503, None, Some(121)),
        ] {
            assert!(!again(&never), "{never}");
        }
    }

    #[test]
    fn our_own_faults_and_the_callers_say_nothing_against_a_provider() {
        for error in [
            LlmError::Untellable("x"),
            LlmError::Refused { status: 400, error: ProviderFault::new("x") },
            LlmError::ModelNotFound { error: ProviderFault::new("x") },
        ] {
            assert_eq!(verdict(&error), Verdict::Well, "{error}");
        }
        assert_eq!(verdict(&LlmError::Protocol("x")), Verdict::Failed);
        assert_eq!(verdict(&LlmError::Encoded { coding: "gzip" }), Verdict::Unknown);
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_the_providers_word_wins() {
        let (settings, dice) = (Settings::default(), Dice::new(3));
        for (tries, longest) in [(1, 1_000), (2, 2_000), (3, 4_000), (9, 30_000), (40, 30_000)] {
            let pauses = (0..200).map(|_| pause(&settings, tries, &down(500, None, None), &dice).as_millis());
            let most = pauses.max().unwrap();
            assert!(most <= longest && most > longest * 8 / 10, "{tries}: {most}");
        }
        assert_eq!(pause(&settings, 1, &down(503, None, Some(7)), &dice), Duration::from_secs(7));
    }
}
