//! Moving a call's hold to another candidate: its price is pinned, and when its worst case is dearer, more is set aside first.

use hub_store::StoreError;

use super::super::ChatInput;
use super::super::admit::Admitted;
use super::super::ceiling::Ceiling;
use super::super::registry::Candidate;
use super::refused;
use crate::Hub;
use crate::credits::{self, Reroute, Rerouted, WhenShort};

/// The cap and what is held may each force a shorter answer.
const TRIES: usize = 4;

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

/// Makes the hold this candidate's. Where the cap, the account or a budget does not allow what its longest answer may cost, the answer is
/// shortened under the rules of admission: to what the cap allows, and to what is held already.
pub(in super::super) async fn switch(
    hub: &Hub,
    input: &ChatInput,
    admitted: &mut Admitted,
    candidate: &Candidate,
) -> Result<Switched, StoreError> {
    let price = &candidate.price;
    if refused(&hub.settings.routing, &price.model, &input.request).is_some() {
        return Ok(Switched::No("unsendable"));
    }
    let Ok(mut ceiling) = Ceiling::of(&input.request, candidate) else {
        return Ok(Switched::No("unsendable"));
    };
    // Never longer than what was admitted: limits of tokens were reserved for that.
    if let (Some(admitted), Some(limit)) = (admitted.max_output, ceiling.limit())
        && limit > admitted
    {
        ceiling.shorten(admitted.saturating_mul(input.request.choices()));
    }
    let clamps = hub.settings.credits.when_short == WhenShort::Clamp;
    let mut checkpoint = admitted.checkpoint.clone();
    checkpoint.upstream_model.clone_from(&price.model);
    checkpoint.unit_prices.clone_from(&ceiling.units);
    for _ in 0..TRIES {
        let Ok(worst) = ceiling.worst() else { return Ok(Switched::No("too_large")) };
        if let Some(cap) = input.cap.filter(|cap| worst > *cap) {
            if clamps && ceiling.shorten(ceiling.affordable(cap)) {
                continue;
            }
            return Ok(Switched::No("over_cap"));
        }
        let reroute = Reroute {
            hold: admitted.hold,
            service: candidate.provider.service(),
            provider: candidate.provider.name(),
            price: price.id,
            amount: worst,
            checkpoint: &checkpoint,
        };
        match credits::reroute(hub, &reroute).await? {
            Rerouted::Yes => {
                admitted.max_output = ceiling.limit();
                admitted.clamped_to = ceiling.clamped_to();
                admitted.checkpoint = checkpoint;
                return Ok(Switched::Yes);
            }
            Rerouted::Lost => return Ok(Switched::Lost),
            Rerouted::Short(held) if clamps && ceiling.shorten(ceiling.affordable(held)) => {}
            Rerouted::Short(_) => break,
        }
    }
    Ok(Switched::No("insufficient_credits"))
}
