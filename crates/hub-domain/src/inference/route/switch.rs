//! Moving a call's hold to another candidate: its price is pinned, and when its worst case is dearer, more is set aside first.

use hub_store::StoreError;

use super::super::ChatInput;
use super::super::admit::{Admitted, useful};
use super::super::registry::Candidate;
use super::refused;
use crate::Hub;
use crate::credits::{self, Reroute, Rerouted, WhenShort};

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Switched {
    /// The hold is this candidate's.
    Yes,
    /// This candidate cannot be paid, or the call cannot be written in its wire.
    No(&'static str),
    /// The sweeper took the hold.
    Lost,
}

/// Makes the hold this candidate's. Where the account or a budget does not allow what its longest answer may cost, the answer is shortened
/// to what is held already, under the rules of admission.
pub(in super::super) async fn switch(
    hub: &Hub,
    input: &ChatInput,
    admitted: &mut Admitted,
    candidate: &Candidate,
) -> Result<Switched, StoreError> {
    let (request, price) = (&input.request, &candidate.price);
    if refused(&hub.settings.routing, &price.model, request).is_some() {
        return Ok(Switched::No("unsendable"));
    }
    let longest = admitted.max_output.map(|limit| limit.min(price.max_output_tokens));
    let Ok(bound) = candidate.provider.bound(request, longest.unwrap_or(price.max_output_tokens)) else {
        return Ok(Switched::No("unsendable"));
    };
    let input_tokens = price.context_tokens.map_or(bound.input, |window| bound.input.min(window));
    let Ok(worst) = price.units.worst_case(input_tokens, bound.output) else {
        return Ok(Switched::No("too_large"));
    };
    let mut checkpoint = admitted.checkpoint.clone();
    checkpoint.upstream_model.clone_from(&price.model);
    checkpoint.unit_prices.clone_from(&price.units);
    let mut reroute = Reroute {
        hold: admitted.hold,
        service: candidate.provider.service(),
        provider: candidate.provider.name(),
        price: price.id,
        amount: worst.amount,
        checkpoint: &checkpoint,
    };
    let mut max_output = longest;
    match credits::reroute(hub, &reroute).await? {
        Rerouted::Yes => {}
        Rerouted::Lost => return Ok(Switched::Lost),
        Rerouted::Short(held) => {
            let clamps = longest.is_some() && hub.settings.credits.when_short == WhenShort::Clamp;
            let room = price.units.affordable_output(held, input_tokens);
            let Some(shorter) = clamps.then(|| useful(request, room, bound.output)).flatten() else {
                return Ok(Switched::No("insufficient_credits"));
            };
            reroute.amount = held;
            if credits::reroute(hub, &reroute).await? != Rerouted::Yes {
                return Ok(Switched::Lost);
            }
            max_output = Some(shorter);
            admitted.clamped_to = Some(shorter);
        }
    }
    admitted.max_output = max_output;
    admitted.checkpoint = checkpoint;
    Ok(Switched::Yes)
}
