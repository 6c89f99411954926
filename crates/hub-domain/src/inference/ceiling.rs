//! What a call can cost at most: the one arithmetic of admission and quotes.

use hub_clients::llm::CallRequest;
use hub_types::{Credits, TokenUsage};

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
    /// The prompt is taken at its word, whether it fits the model's window or not.
    pub(super) fn of_tokens(input: i64, output: Option<i64>, candidate: &Candidate) -> Self {
        let price = &candidate.price;
        Self {
            input,
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

    /// What the call would cost with so many tokens, as far as the bound lets it have them: never more than the worst case.
    pub(super) fn cost_of(&self, input: i64, output: i64) -> Result<Credits, InferenceError> {
        let usage =
            TokenUsage { input: input.min(self.input), output: output.min(self.output), ..TokenUsage::default() };
        self.units.cost(&usage).map(|cost| cost.amount).map_err(|_| InferenceError::TooLarge)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pricing::LongContext;

    proptest! {
        #[test]
        fn nothing_that_a_quote_expects_costs_more_than_its_worst_case(
            limits in (0_i64..2_000_000, 0_i64..200_000), asked in (0_i64..4_000_000, 0_i64..400_000),
            prices in prop::array::uniform5(0_i64..2_000_000_000), request in 0_i64..100_000_000,
            more in (0_i64..10_000, prop::option::of(1_i64..10_000)),
            long in prop::option::of((1_i64..3_000_000, 1_i64..5_000, 1_i64..5_000)),
        ) {
            let [input, cache_read, cache_write, output, reasoning] = prices;
            let units = UnitPrices {
                input, cache_read, cache_write, output, reasoning, request,
                margin_permille: more.0,
                terms_permille: more.1.unwrap_or(0),
                long_context: long.map(|(above, input_permille, output_permille)| LongContext { above, input_permille, output_permille }),
                ..UnitPrices::default()
            };
            let (input, output) = limits;
            let ceiling = Ceiling { input, output, units, choices: 1, unlimited: false, limit: None, shortened: false };
            let worst = ceiling.worst().map_err(|error| TestCaseError::fail(error.to_string()))?;
            let typical = ceiling.cost_of(asked.0, asked.1).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert!(typical <= worst, "{} above {}", typical, worst);
        }
    }
}
