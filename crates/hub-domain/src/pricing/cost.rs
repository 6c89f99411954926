//! The cost of a call: integers all the way, rounded up once.

use hub_types::{Credits, TokenUsage};

use super::units::UnitPrices;

/// Tokens the prices are for.
const PER: i128 = 1_000_000;

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
    /// There is no price for what was asked.
    #[error("there is no price for this")]
    Unpriced,
}

impl UnitPrices {
    /// The cost of this usage: `Σ tokens × price`, with the margin, rounded up once.
    pub fn cost(&self, usage: &TokenUsage) -> Result<Cost, CostError> {
        let long = self.long_context.filter(|long| usage.prompt() > long.above);
        let (prompt, completion) = long.map_or((1000, 1000), |long| (long.input_permille, long.output_permille));
        let or = |own: Option<i64>, base| own.unwrap_or(base);
        let classes = [
            (usage.input, self.input, prompt),
            (usage.cache_read, self.cache_read, prompt),
            (usage.cache_write, self.cache_write, prompt),
            (usage.cache_write_long, or(self.cache_write_long, self.cache_write), prompt),
            (usage.input_audio, or(self.input_audio, self.input), prompt),
            (usage.input_image, or(self.input_image, self.input), prompt),
            (usage.output, self.output, completion),
            (usage.reasoning, self.reasoning, completion),
            (usage.output_audio, or(self.output_audio, self.output), completion),
            (usage.output_image, or(self.output_image, self.output), completion),
        ];
        if self.request < 0
            || classes.iter().any(|(tokens, price, permille)| *tokens < 0 || *price < 0 || *permille < 0)
        {
            return Err(CostError::Negative);
        }
        let mut tokens_cost: i128 = 0;
        for (tokens, price, permille) in classes {
            let part = (i128::from(tokens) * i128::from(price)).checked_mul(i128::from(permille));
            tokens_cost = part.and_then(|part| tokens_cost.checked_add(part)).ok_or(CostError::OutOfRange)?;
        }
        // The terms of a call multiply what its tokens cost, not what the house asks for a call.
        let on_terms = tokens_cost.checked_mul(i128::from(self.on_terms()?));
        let request = i128::from(self.request) * PER * 1000 * 1000;
        self.round(on_terms.and_then(|cost| cost.checked_add(request)).ok_or(CostError::OutOfRange)?)
    }

    /// The cost of so many seconds of video at this resolution, with the price per call and the margin.
    pub fn video_cost(&self, resolution: &str, seconds: i64) -> Result<Cost, CostError> {
        let second = self.video_second(resolution).ok_or(CostError::Unpriced)?;
        if second < 0 || seconds < 0 || self.request < 0 {
            return Err(CostError::Negative);
        }
        let micro = i128::from(second) * i128::from(seconds) + i128::from(self.request);
        self.round(micro.checked_mul(PER * 1000 * 1000).ok_or(CostError::OutOfRange)?)
    }

    /// The multiplier of the terms, in thousandths.
    const fn on_terms(&self) -> Result<i64, CostError> {
        match self.terms_permille {
            0 => Ok(1000),
            permille if permille < 0 => Err(CostError::Negative),
            permille => Ok(permille),
        }
    }

    /// Adds the margin to a cost in millionths of a pico-credit and rounds.
    fn round(&self, millionths: i128) -> Result<Cost, CostError> {
        if self.margin_permille < 0 {
            return Err(CostError::Negative);
        }
        let with = millionths.checked_mul(1000 + i128::from(self.margin_permille)).ok_or(CostError::OutOfRange)?;
        let exact_pico = i64::try_from(div_ceil(with, 1_000_000_000)).map_err(|_| CostError::OutOfRange)?;
        let micro = exact_pico / 1_000_000 + i64::from(exact_pico % 1_000_000 != 0);
        Ok(Cost { exact_pico, amount: Credits::from_micro(micro) })
    }

    /// The most this many tokens can cost, whatever classes the provider sorts them into.
    pub fn worst_case(&self, input: i64, output: i64) -> Result<Cost, CostError> {
        let dearest = |classes: &[Option<i64>]| classes.iter().flatten().copied().max().unwrap_or(0);
        let base = [Some(self.input), Some(self.cache_read), Some(self.cache_write)];
        let more = [self.cache_write_long, self.input_audio, self.input_image];
        let made = [Some(self.output), Some(self.reasoning), self.output_audio, self.output_image];
        let dearest = Self { input: dearest(&base).max(dearest(&more)), output: dearest(&made), ..self.clone() };
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

/// Prices are whole numbers and multipliers thousandths: what is left over is less than a millionth of a micro-credit, and goes up
/// so that the stored figure never hides a fraction.
const fn div_ceil(number: i128, by: i128) -> i128 {
    number / by + (number % by != 0) as i128
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::LongContext;
    use super::*;

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

    #[test]
    fn a_margin_is_added_before_the_one_rounding() {
        let with = UnitPrices { margin_permille: 250, ..prices() };
        let usage = TokenUsage { input: 20, output: 12, ..TokenUsage::default() };
        assert_eq!(with.cost(&usage).map(|c| c.amount.to_string()), Ok("0.02".to_owned()));
        let cheap = UnitPrices { input: 3, margin_permille: 1, ..UnitPrices::default() };
        let one = TokenUsage { input: 1, ..TokenUsage::default() };
        assert_eq!(cheap.cost(&one).map(|c| c.exact_pico), Ok(4), "3.003 goes up");
    }

    #[test]
    fn a_second_of_video_costs_what_its_resolution_costs() {
        let units = UnitPrices {
            video_second: [("720p".to_owned(), 10_000_000), ("1080p".to_owned(), 25_000_000)].into(),
            request: 1,
            ..UnitPrices::default()
        };
        assert_eq!(units.video_cost("1080p", 8).map(|c| c.amount.micro()), Ok(200_000_001));
        assert_eq!(units.video_cost("4k", 8), Err(CostError::Unpriced));
        let any = UnitPrices { video_second: [("*".to_owned(), 1)].into(), ..UnitPrices::default() };
        assert_eq!(any.video_cost("4k", 8).map(|c| c.amount.micro()), Ok(8));
    }

    fn some_price() -> impl Strategy<Value = Option<i64>> {
        prop::option::of(0_i64..5_000_000_000)
    }

    proptest! {
        #[test]
        fn no_split_into_classes_costs_more_than_the_worst_case(
            counts in prop::array::uniform10(0_i64..200_000),
            base in prop::array::uniform5(0_i64..2_000_000_000),
            own in (some_price(), some_price(), some_price(), some_price(), some_price()),
            margin in 0_i64..10_000,
            long in prop::option::of((1_i64..400_000, 1_i64..5_000, 1_i64..5_000)),
        ) {
            let [input, cache_read, cache_write, cache_write_long, input_audio, input_image, output, reasoning, output_audio, output_image] = counts;
            let usage = TokenUsage {
                input, cache_read, cache_write, cache_write_long, input_audio, input_image, output, reasoning, output_audio, output_image,
            };
            let prices = UnitPrices {
                input: base[0], cache_read: base[1], cache_write: base[2], output: base[3], reasoning: base[4],
                cache_write_long: own.0, input_audio: own.1, input_image: own.2, output_audio: own.3, output_image: own.4,
                margin_permille: margin,
                long_context: long.map(|(above, input_permille, output_permille)| LongContext { above, input_permille, output_permille }),
                ..UnitPrices::default()
            };
            let worst = prices.worst_case(usage.prompt(), usage.completion());
            let cost = prices.cost(&usage);
            match (cost, worst) {
                (Ok(cost), Ok(worst)) => prop_assert!(cost.exact_pico <= worst.exact_pico),
                (_, worst) => prop_assert_eq!(worst, Err(CostError::OutOfRange)),
            }
        }

        #[test]
        fn prices_stored_before_the_finer_classes_compute_as_they_did(
            counts in prop::array::uniform5(0_i64..1_000_000), base in prop::array::uniform5(0_i64..2_000_000_000), request in 0_i64..1_000_000,
        ) {
            let stored = serde_json::json!({
                "input": base[0], "cacheRead": base[1], "cacheWrite": base[2], "output": base[3], "reasoning": base[4], "request": request,
            });
            let units: UnitPrices = serde_json::from_value(stored.clone()).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(serde_json::to_value(&units).ok(), Some(stored));
            let [input, cache_read, cache_write, output, reasoning] = counts;
            let usage = TokenUsage { input, cache_read, cache_write, output, reasoning, ..TokenUsage::default() };
            let sum: i128 = counts.iter().zip(base).map(|(tokens, price)| i128::from(*tokens) * i128::from(price)).sum();
            let before = sum + i128::from(request) * PER;
            prop_assert_eq!(units.cost(&usage).map(|cost| i128::from(cost.exact_pico)), Ok(before));
            // The same tokens in finer classes cost the same where these have no price of their own.
            let finer = TokenUsage {
                input: 0, input_audio: input, cache_write: 0, cache_write_long: cache_write, output: 0, output_image: output, ..usage
            };
            prop_assert_eq!(units.cost(&finer), units.cost(&usage));
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
