//! Admission: the worst case of a call is priced and held before any provider hears of it.

use hub_clients::llm::CallRequest;
use hub_store::budgets::Charge;
use hub_store::holds::NewHold;
use hub_types::{Caller, Credits, HoldId, TokenUsage};

use super::quota::Quota;
use super::registry::Candidate;
use super::{ChatInput, InferenceError};
use crate::Hub;
use crate::credits::{self, Checkpoint, HoldError, WhenShort, budget};

/// An answer shortened below this many tokens is of no use to anybody; 402 then.
const SHORTEST: i64 = 16;
/// Tokens, budgets and balance may each force a shorter answer, and other calls change what is left between reading and holding.
const TRIES: usize = 4;

/// An admitted call.
pub(super) struct Admitted {
    pub(super) hold: HoldId,
    /// Limit of completion tokens to write into the provider's request.
    pub(super) max_output: Option<i64>,
    /// Set when the balance, a budget or a limit of tokens forced it.
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
    let (request, price) = (&input.request, &candidate.price);
    let bound = candidate.provider.bound(request, price.max_output_tokens).map_err(InferenceError::Unsendable)?;
    let input_tokens = price.context_tokens.map_or(bound.input, |window| bound.input.min(window));
    let unlimited = request.generates() && request.max_output().is_none();
    let mut max_output = unlimited.then_some(price.max_output_tokens);
    let mut clamped_to = None;
    let mut output_tokens = bound.output;
    let budgets = budget::charges(hub, caller);
    let mut last = InferenceError::TooLarge;
    for _ in 0..TRIES {
        let worst = price.units.worst_case(input_tokens, output_tokens).map_err(|_| InferenceError::TooLarge)?;
        if worst.amount > Credits::MAX {
            return Err(InferenceError::TooLarge);
        }
        let checkpoint = Checkpoint {
            route: input.route.to_owned(),
            upstream_model: price.model.clone(),
            unit_prices: price.units.clone(),
            usage: TokenUsage::default(),
            attempts: 0,
        };
        // Tokens of all choices that there is room for.
        let room = if let Err(limited) = quota.reserve(hub, input_tokens.saturating_add(output_tokens)).await {
            let room = limited.remaining() - input_tokens;
            last = limited.into();
            room
        } else {
            let hold = new_hold(hub, caller, input, candidate, (id, worst.amount), budgets.clone(), &checkpoint)?;
            let Err(error) = credits::hold(hub, &hold).await else {
                return Ok((max_output, clamped_to, checkpoint));
            };
            let spendable = match &error {
                HoldError::Insufficient(short) => short.spendable,
                HoldError::Budget(short) => short.available(),
                _ => return Err(error.into()),
            };
            last = error.into();
            price.units.affordable_output(spendable, input_tokens)
        };
        if !unlimited || hub.settings.credits.when_short == WhenShort::Refuse {
            break;
        }
        let Some(shorter) = useful(request, room, output_tokens) else { break };
        output_tokens = shorter * request.choices();
        max_output = Some(shorter);
        clamped_to = Some(shorter);
    }
    Err(last)
}

/// Tokens per choice that there is room for, when that is a useful answer and shorter than the one that was refused.
pub(super) fn useful(request: &CallRequest, room: i64, refused: i64) -> Option<i64> {
    let per_choice = room / request.choices().max(1);
    (per_choice >= SHORTEST && per_choice * request.choices() < refused).then_some(per_choice)
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
        // A model may be free by its price, but a hold is never empty: it is also the lease of the call.
        amount: amount.max(Credits::from_micro(1)),
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
