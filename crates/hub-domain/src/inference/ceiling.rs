//! What a call can cost at most: the one arithmetic of admission and quotes.

use hub_clients::llm::CallRequest;
use hub_types::Credits;

use super::InferenceError;
use super::registry::Candidate;
use crate::pricing::UnitPrices;

/// An answer shortened below this many tokens is of no use to anybody; 402 then.
const SHORTEST: i64 = 16;

/// The bound of one call at one candidate, as the caller pays it.
#[derive(Debug, Clone)]
pub(super) struct Ceiling {
    /// Prompt tokens at most.
    pub(super) input: i64,
    /// Completion tokens of all choices at most.
    pub(super) output: i64,
    /// The unit prices, with the caller's margin.
    pub(super) units: UnitPrices,
    choices: i64,
    /// The caller named no limit of an answer that can be shortened: the hub sets one.
    unlimited: bool,
    /// The limit per choice that the hub sets.
    limit: Option<i64>,
    /// The limit is shorter than the model's own.
    shortened: bool,
}

impl Ceiling {
    /// The bound of this request.
    pub(super) fn of(request: &CallRequest, candidate: &Candidate) -> Result<Self, InferenceError> {
        let price = &candidate.price;
        let bound = candidate
            .provider
            .bound(request, &price.model, price.max_output_tokens)
            .map_err(InferenceError::Unsendable)?;
        let unlimited = request.generates() && request.max_output().is_none();
        Ok(Self {
            input: price.context_tokens.map_or(bound.input, |window| bound.input.min(window)),
            output: bound.output,
            units: price.units.clone(),
            choices: request.choices().max(1),
            unlimited,
            limit: unlimited.then_some(price.max_output_tokens),
            shortened: false,
        })
    }

    /// The bound of a call that is only known by its tokens; without a limit of its own the answer is as long as the model's longest.
    pub(super) fn of_tokens(input: i64, output: Option<i64>, candidate: &Candidate) -> Self {
        let price = &candidate.price;
        Self {
            input: price.context_tokens.map_or(input, |window| input.min(window)),
            output: output.unwrap_or(price.max_output_tokens),
            units: price.units.clone(),
            choices: 1,
            unlimited: output.is_none(),
            limit: output.is_none().then_some(price.max_output_tokens),
            shortened: false,
        }
    }

    /// What is set aside for the call.
    pub(super) fn worst(&self) -> Result<Credits, InferenceError> {
        let worst = self.units.worst_case(self.input, self.output).map_err(|_| InferenceError::TooLarge)?;
        if worst.amount > Credits::MAX {
            return Err(InferenceError::TooLarge);
        }
        // A model may be free by its price, but a hold is never empty: it is also the lease of the call.
        Ok(worst.amount.max(Credits::from_micro(1)))
    }

    /// How many completion tokens, of all choices, this much pays for beside the prompt.
    pub(super) fn affordable(&self, credits: Credits) -> i64 {
        self.units.affordable_output(credits, self.input)
    }

    /// Shortens the answer to what there is room for, in tokens of all choices. `false`: it may not be shortened, or would be too short
    /// to be of use, or is no longer than that.
    pub(super) fn shorten(&mut self, room: i64) -> bool {
        let per_choice = room / self.choices;
        if !self.unlimited || per_choice < SHORTEST || per_choice * self.choices >= self.output {
            return false;
        }
        self.output = per_choice * self.choices;
        self.limit = Some(per_choice);
        self.shortened = true;
        true
    }

    /// Limit of completion tokens per choice to write into the provider's request.
    pub(super) const fn limit(&self) -> Option<i64> {
        self.limit
    }

    /// The same, when the balance, a budget, a cap or a limit of tokens forced it.
    pub(super) fn clamped_to(&self) -> Option<i64> {
        self.limit.filter(|_| self.shortened)
    }
}
