//! Admission: the worst case of a call is priced and held before any provider hears of it.

use hub_store::budgets::Charge;
use hub_store::holds::NewHold;
use hub_types::{Caller, Credits, HoldId, TokenUsage};

use super::ceiling::Ceiling;
use super::quota::Quota;
use super::registry::Candidate;
use super::{ChatInput, InferenceError};
use crate::Hub;
use crate::credits::{self, Checkpoint, HoldError, WhenShort, budget};

/// The cap, tokens, budgets and balance may each force a shorter answer, and other calls change what is left between reading and holding.
const TRIES: usize = 5;

/// An admitted call.
pub(super) struct Admitted {
    pub(super) hold: HoldId,
    /// Limit of completion tokens to write into the provider's request.
    pub(super) max_output: Option<i64>,
    /// Set when the cap, the balance, a budget or a limit of tokens forced it.
    pub(super) clamped_to: Option<i64>,
    pub(super) checkpoint: Checkpoint,
    /// What it has of the limits of tokens and calls.
    pub(super) quota: Quota,
}

/// Prices the worst case at this candidate and sets it aside, with the tokens and the place that the caller's limits ask for.
pub(super) async fn admit(
    hub: &Hub,
    caller: &Caller,
    input: &ChatInput,
    candidate: &Candidate,
) -> Result<Admitted, InferenceError> {
    let id = HoldId::new(&hub.clock);
    let mut quota = Quota::of(hub, caller, id);
    quota.enter(hub).await?;
    match set_aside(hub, caller, input, candidate, id, &mut quota).await {
        Ok((max_output, clamped_to, checkpoint)) => {
            Ok(Admitted { hold: id, max_output, clamped_to, checkpoint, quota })
        }
        Err(error) => {
            quota.end(hub, 0).await;
            Err(error)
        }
    }
}

/// Holds the worst case. Returns the limit of completion tokens for the provider, the same when it was forced, and the first checkpoint.
async fn set_aside(
    hub: &Hub,
    caller: &Caller,
    input: &ChatInput,
    candidate: &Candidate,
    id: HoldId,
    quota: &mut Quota,
) -> Result<(Option<i64>, Option<i64>, Checkpoint), InferenceError> {
    let price = &candidate.price;
    let mut ceiling = Ceiling::of(&input.request, candidate)?;
    let budgets = budget::charges(hub, caller);
    let mut last = InferenceError::TooLarge;
    for _ in 0..TRIES {
        let worst = ceiling.worst()?;
        let checkpoint = Checkpoint {
            route: input.route.to_owned(),
            upstream_model: price.model.clone(),
            unit_prices: ceiling.units.clone(),
            usage: TokenUsage::default(),
            attempts: 0,
        };
        // Tokens of all choices that there is room for.
        let room = if let Some(cap) = input.cap.filter(|cap| worst > *cap) {
            last = InferenceError::Capped { needed: worst, cap };
            ceiling.affordable(cap)
        } else if let Err(limited) = quota.reserve(hub, ceiling.input.saturating_add(ceiling.output)).await {
            let room = limited.remaining() - ceiling.input;
            last = limited.into();
            room
        } else {
            let hold = new_hold(hub, caller, input, candidate, (id, worst), budgets.clone(), &checkpoint)?;
            let Err(error) = credits::hold(hub, &hold).await else {
                return Ok((ceiling.limit(), ceiling.clamped_to(), checkpoint));
            };
            let spendable = match &error {
                HoldError::Insufficient(short) => short.spendable,
                HoldError::Budget(short) => short.available(),
                _ => return Err(error.into()),
            };
            last = error.into();
            ceiling.affordable(spendable)
        };
        if hub.settings.credits.when_short == WhenShort::Refuse || !ceiling.shorten(room) {
            break;
        }
    }
    Err(last)
}

fn new_hold(
    hub: &Hub,
    caller: &Caller,
    input: &ChatInput,
    candidate: &Candidate,
    (id, amount): (HoldId, Credits),
    budgets: Vec<Charge>,
    checkpoint: &Checkpoint,
) -> Result<NewHold, InferenceError> {
    let now = hub.clock.now();
    Ok(NewHold {
        id,
        user: caller.user,
        api_key: caller.api_key(),
        request_id: input.request_id.clone(),
        kind: input.kind,
        amount,
        price: candidate.price.id,
        service: candidate.provider.service().to_owned(),
        provider: candidate.provider.name().to_owned(),
        model: input.request.model().to_owned(),
        owner: hub.instance.clone(),
        checkpoint: serde_json::to_value(checkpoint).map_err(|_| InferenceError::Lost)?,
        lease_until: now + hub.settings.credits.lease(),
        budgets,
        at: now,
    })
}
