//! Admission: the worst case of a call is priced and held before any provider hears of it.

use hub_clients::llm::CallRequest;
use hub_store::holds::NewHold;
use hub_types::{Caller, Credits, HoldId, TokenUsage};

use super::registry::Candidate;
use super::{ChatInput, InferenceError};
use crate::Hub;
use crate::credits::{self, Checkpoint, HoldError, Shortfall, WhenShort};

/// An answer shortened below this many tokens is of no use to anybody; 402 then.
const SHORTEST: i64 = 16;
/// Other calls of the same account may change what is affordable between reading and holding.
const TRIES: usize = 3;

/// An admitted call.
pub(super) struct Admitted {
    pub(super) hold: HoldId,
    /// Limit of completion tokens to write into the provider's request.
    pub(super) max_output: Option<i64>,
    /// Set when the balance forced the limit.
    pub(super) clamped_to: Option<i64>,
    pub(super) checkpoint: Checkpoint,
}

/// Prices the worst case at this candidate and sets it aside.
pub(super) async fn admit(
    hub: &Hub,
    caller: &Caller,
    input: &ChatInput,
    candidate: &Candidate,
) -> Result<Admitted, InferenceError> {
    let (request, price) = (&input.request, &candidate.price);
    let bound = candidate.provider.bound(request, price.max_output_tokens).map_err(InferenceError::Unsendable)?;
    let input_tokens = price.context_tokens.map_or(bound.input, |window| bound.input.min(window));
    let unlimited = request.generates() && request.max_output().is_none();
    let mut max_output = unlimited.then_some(price.max_output_tokens);
    let mut clamped_to = None;
    let mut output_tokens = bound.output;
    let mut last = Shortfall { needed: Credits::ZERO, spendable: Credits::ZERO, held: Credits::ZERO };
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
        let hold = new_hold(hub, caller, input, candidate, worst.amount, &checkpoint)?;
        match credits::hold(hub, &hold).await {
            Ok(()) => return Ok(Admitted { hold: hold.id, max_output, clamped_to, checkpoint }),
            Err(HoldError::Insufficient(shortfall)) => last = shortfall,
            Err(error) => return Err(error.into()),
        }
        if !unlimited || hub.settings.credits.when_short == WhenShort::Refuse {
            break;
        }
        let Some(affordable) = affordable(request, candidate, last.spendable, input_tokens, output_tokens) else {
            break;
        };
        output_tokens = affordable * request.choices();
        max_output = Some(affordable);
        clamped_to = Some(affordable);
    }
    Err(HoldError::Insufficient(last).into())
}

/// Tokens per choice that the balance pays for, when that is a useful answer and shorter than the one that was refused.
fn affordable(
    request: &CallRequest,
    candidate: &Candidate,
    spendable: Credits,
    input: i64,
    refused: i64,
) -> Option<i64> {
    let per_choice = candidate.price.units.affordable_output(spendable, input) / request.choices().max(1);
    (per_choice >= SHORTEST && per_choice * request.choices() < refused).then_some(per_choice)
}

fn new_hold(
    hub: &Hub,
    caller: &Caller,
    input: &ChatInput,
    candidate: &Candidate,
    amount: Credits,
    checkpoint: &Checkpoint,
) -> Result<NewHold, InferenceError> {
    let now = hub.clock.now();
    Ok(NewHold {
        id: HoldId::new(&hub.clock),
        user: caller.user,
        api_key: caller.api_key(),
        request_id: input.request_id.clone(),
        kind: input.kind,
        // A model may be free by its price, but a hold is never empty: it is also the lease of the call.
        amount: amount.max(Credits::from_micro(1)),
        price: candidate.price.id,
        service: candidate.provider.service().to_owned(),
        provider: candidate.provider.name().to_owned(),
        model: candidate.price.model.clone(),
        owner: hub.instance.clone(),
        checkpoint: serde_json::to_value(checkpoint).map_err(|_| InferenceError::Lost)?,
        lease_until: now + hub.settings.credits.lease(),
        at: now,
    })
}
