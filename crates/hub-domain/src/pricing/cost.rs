//! The cost of a call: integers all the way, rounded up once.

use hub_types::{Credits, TokenUsage};
use serde::{Deserialize, Serialize};

/// Tokens the prices are for.
const PER: i128 = 1_000_000;

/// Micro-credits per million tokens of each class, and per call. All zero or above.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct UnitPrices {
    /// Fresh prompt tokens.
    pub input: i64,
    /// Prompt tokens read from the provider's cache.
    pub cache_read: i64,
    /// Prompt tokens written to the provider's cache.
    pub cache_write: i64,
    /// Visible completion tokens.
    pub output: i64,
    /// Hidden reasoning tokens.
    pub reasoning: i64,
    /// Micro-credits per call, whatever its length.
    pub request: i64,
    /// Other prices for the whole call when its prompt is long (providers.md §8).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long_context: Option<LongContext>,
}

/// Prices in thousandths of the normal ones for calls whose prompt is longer than `above` tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LongContext {
    /// Prompt tokens up to here cost the normal prices.
    pub above: i64,
    /// Multiplier of all prompt classes, in thousandths.
    pub input_permille: i64,
    /// Multiplier of all completion classes, in thousandths.
    pub output_permille: i64,
}

/// What a call costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Before rounding, in millionths of a micro-credit.
    pub exact_pico: i64,
    /// Rounded up to a whole micro-credit.
    pub amount: Credits,
}

/// The call cannot be priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// A token count or unit price is below zero.
    #[error("a token count or a price is negative")]
    Negative,
    /// The cost is beyond what the hub can book (about nine million credits for one call).
    #[error("the cost of the call is out of range")]
    OutOfRange,
}

impl UnitPrices {
    /// The cost of this usage: `Σ tokens × price`, rounded up once.
    pub fn cost(&self, usage: &TokenUsage) -> Result<Cost, CostError> {
        let long = self.long_context.filter(|long| usage.prompt() > long.above);
        let (prompt, completion) = long.map_or((1000, 1000), |long| (long.input_permille, long.output_permille));
        let classes = [
            (usage.input, self.input, prompt),
            (usage.cache_read, self.cache_read, prompt),
            (usage.cache_write, self.cache_write, prompt),
            (usage.output, self.output, completion),
            (usage.reasoning, self.reasoning, completion),
        ];
        if self.request < 0
            || classes.iter().any(|(tokens, price, permille)| *tokens < 0 || *price < 0 || *permille < 0)
        {
            return Err(CostError::Negative);
        }
        let mut thousandths: i128 = i128::from(self.request) * PER * 1000;
        for (tokens, price, permille) in classes {
            let part = (i128::from(tokens) * i128::from(price)).checked_mul(i128::from(permille));
            thousandths = part.and_then(|part| thousandths.checked_add(part)).ok_or(CostError::OutOfRange)?;
        }
        let pico = thousandths.div_ceil_1000();
        let exact_pico = i64::try_from(pico).map_err(|_| CostError::OutOfRange)?;
        let micro = exact_pico / 1_000_000 + i64::from(exact_pico % 1_000_000 != 0);
        Ok(Cost { exact_pico, amount: Credits::from_micro(micro) })
    }

    /// The most this many tokens can cost, whatever classes the provider sorts them into.
    pub fn worst_case(&self, input: i64, output: i64) -> Result<Cost, CostError> {
        let dearest = Self {
            input: self.input.max(self.cache_write).max(self.cache_read),
            output: self.output.max(self.reasoning),
            ..self.clone()
        };
        let plain = dearest.cost(&TokenUsage { input, output, ..TokenUsage::default() })?;
        // A discount for long prompts would make the shorter price the dearer one.
        let short =
            Self { long_context: None, ..dearest }.cost(&TokenUsage { input, output, ..TokenUsage::default() })?;
        Ok(if plain.exact_pico >= short.exact_pico { plain } else { short })
    }

    /// How many completion tokens `budget` pays for beside `input` prompt tokens. Zero when it does not even pay the prompt.
    pub fn affordable_output(&self, budget: Credits, input: i64) -> i64 {
        let fits = |output: i64| self.worst_case(input, output).is_ok_and(|cost| cost.amount <= budget);
        if !fits(1) {
            return 0;
        }
        // The cost only grows with the tokens, so the largest number that fits is found by halving.
        let (mut low, mut high) = (1_i64, 16_777_216_i64);
        while low < high {
            let middle = low + (high - low + 1) / 2;
            if fits(middle) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        low
    }
}

trait DivCeil {
    fn div_ceil_1000(self) -> Self;
}

impl DivCeil for i128 {
    /// Prices are whole numbers and multipliers thousandths: what is left over is less than a millionth of a
    /// micro-credit, and goes up so that the stored figure never hides a fraction.
    fn div_ceil_1000(self) -> Self {
        self / 1000 + i128::from(self % 1000 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prices() -> UnitPrices {
        UnitPrices {
            input: 200_000_000,
            cache_read: 10_000_000,
            cache_write: 250_000_000,
            output: 1_000_000_000,
            reasoning: 1_000_000_000,
            ..UnitPrices::default()
        }
    }

    #[test]
    fn a_known_call_costs_what_the_table_says() {
        // $2.00 in, $10.00 out per million at 100 credits a dollar: 20 tokens in, 12 out = 0.004 + 0.012 credits.
        let usage = TokenUsage { input: 20, output: 12, ..TokenUsage::default() };
        assert_eq!(prices().cost(&usage).map(|c| c.amount.to_string()), Ok("0.016".to_owned()));
    }

    #[test]
    fn a_fraction_of_a_micro_credit_is_rounded_up_once() {
        let cheap = UnitPrices { input: 1, output: 1, ..UnitPrices::default() };
        let cost = cheap.cost(&TokenUsage { input: 1, output: 1, ..TokenUsage::default() });
        assert_eq!(cost, Ok(Cost { exact_pico: 2, amount: Credits::from_micro(1) }));
    }

    #[test]
    fn a_long_prompt_costs_more_for_the_whole_call() {
        let long = UnitPrices {
            long_context: Some(LongContext { above: 100, input_permille: 2000, output_permille: 1500 }),
            ..prices()
        };
        let at =
            |input| long.cost(&TokenUsage { input, output: 10, ..TokenUsage::default() }).map(|c| c.amount.micro());
        assert_eq!(at(100), Ok(100 * 200 + 10 * 1000));
        assert_eq!(at(101), Ok(101 * 400 + 10 * 1500));
    }

    #[test]
    fn absurd_numbers_are_refused() {
        let usage = TokenUsage { input: i64::MAX, ..TokenUsage::default() };
        assert_eq!(prices().cost(&usage), Err(CostError::OutOfRange));
        assert_eq!(prices().cost(&TokenUsage { output: -1, ..TokenUsage::default() }), Err(CostError::Negative));
    }

    proptest! {
        #[test]
        fn no_split_into_classes_costs_more_than_the_worst_case(
            input in 0_i64..400_000, read in 0_i64..400_000, write in 0_i64..400_000, output in 0_i64..100_000, hidden in 0_i64..100_000,
        ) {
            let usage = TokenUsage { input, cache_read: read, cache_write: write, output, reasoning: hidden };
            let long = UnitPrices { long_context: Some(LongContext { above: 272_000, input_permille: 2000, output_permille: 1500 }), ..prices() };
            for prices in [prices(), long] {
                let cost = prices.cost(&usage).map_err(|e| TestCaseError::fail(e.to_string()))?;
                let worst = prices.worst_case(usage.prompt(), usage.completion()).map_err(|e| TestCaseError::fail(e.to_string()))?;
                prop_assert!(cost.exact_pico <= worst.exact_pico);
            }
        }

        #[test]
        fn what_is_affordable_fits_and_one_token_more_does_not(budget in 0_i64..50_000_000, input in 0_i64..10_000) {
            let budget = Credits::from_micro(budget);
            let output = prices().affordable_output(budget, input);
            let cost = |output| prices().worst_case(input, output).map(|c| c.amount);
            prop_assert!(output == 0 || cost(output).is_ok_and(|amount| amount <= budget));
            prop_assert!(cost(output + 1).is_ok_and(|amount| amount > budget));
        }
    }
}
