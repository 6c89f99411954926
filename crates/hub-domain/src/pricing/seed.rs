//! The prices a new hub starts with: providers.md §8, rates of October and November 2026, standard tier. Estimates to start from;
//! an operator's later version of a row wins, and the seed never touches a model that has a price.

use hub_types::{Credits, PriceId};

use super::CREDITS_PER_USD;
use super::book::{Price, table_start};
use super::entry::PriceEntry;
use super::units::{LongContext, UnitPrices};

/// One seeded model.
pub(super) struct Seed {
    pub(super) provider: &'static str,
    pub(super) model: &'static str,
    pub(super) context: i64,
    pub(super) max_output: i64,
    pub(super) prices: UnitPrices,
    pub(super) source: &'static str,
}

/// Dollars per million tokens, as they stand in the table.
struct Usd {
    input: f64,
    read: f64,
    write: f64,
    output: f64,
}

/// OpenAI's rule for prompts above 272 000 tokens: the whole call, prompt doubled, completion half as much again.
const OPENAI_LONG: Option<LongContext> =
    Some(LongContext { above: 272_000, input_permille: 2000, output_permille: 1500 });
/// What OpenAI asks on its other tiers, in thousandths; `fast` is reported as `priority`.
const OPENAI_TIERS: [(&str, i64); 4] = [
    ("service_tier:flex", 500),
    ("service_tier:priority", 2000),
    ("service_tier:fast", 2000),
    ("service_tier:ultrafast", 6000),
];
/// What Anthropic asks for faster answers, and for answers from the United States.
const CLAUDE_TERMS: [(&str, i64); 2] = [("speed:fast", 2000), ("inference_geo:us", 1100)];
const OCT: &str = "genai-prices 0.2.3 and litellm 1.109.1, October 2026";
const NOV: &str = "provider gateways, 18 November 2026";
const LITELLM: &str = "litellm 1.109.1, November 2026";
const SANDBOX: &str = "the hub's own sandbox, priced like a small model";

/// What this program seeds, as files have it: what a hub that is older may want to take over.
pub fn seeded() -> Vec<PriceEntry> {
    let price = |seed: Seed| Price {
        id: PriceId(uuid::Uuid::nil()),
        service: seed.provider.to_owned(),
        model: seed.model.to_owned(),
        units: seed.prices,
        context_tokens: Some(seed.context),
        max_output_tokens: seed.max_output,
        valid_from: table_start(),
        source: seed.source.to_owned(),
    };
    table().into_iter().map(|seed| PriceEntry { valid_from: None, ..PriceEntry::from(&price(seed)) }).collect()
}

pub(super) fn table() -> Vec<Seed> {
    let openai = |model, input, read, write, output, source| {
        let seeded =
            seed("openai", model, (1_050_000, 128_000), &Usd { input, read, write, output }, OPENAI_LONG, source);
        // Where writes are billed at all, twelve hours in the cache cost twice as much as the usual half of one.
        let billed = write > input;
        on(if billed { kept_longer(seeded, write * 2.0) } else { seeded }, &OPENAI_TIERS)
    };
    let plain = |model, limits, input, read, output| {
        on(seed("openai", model, limits, &Usd { input, read, write: input, output }, None, LITELLM), &OPENAI_TIERS)
    };
    // `long` is what Anthropic asks for an hour in the cache; `write` is for five minutes.
    let claude = |model, limits, input, read, (write, long), output| {
        let seeded = seed("claude", model, limits, &Usd { input, read, write, output }, None, OCT);
        on(kept_longer(seeded, long), &CLAUDE_TERMS)
    };
    let vectors = |provider, model, context, input, source| {
        seed(provider, model, (context, 0), &Usd { input, read: input, write: input, output: 0.0 }, None, source)
    };
    let haiku_long = Some(LongContext { above: 100_000, input_permille: 5000, output_permille: 5000 });
    let haiku_usd = Usd { input: 0.10, read: 0.01, write: 0.125, output: 0.50 };
    let haiku = seed("claude", "claude-haiku-5-5", (1_000_000, 128_000), &haiku_usd, haiku_long, OCT);
    vec![
        openai("gpt-6.2-astra", 8.00, 0.40, 10.00, 40.00, NOV),
        openai("gpt-6.2-sol", 2.00, 0.10, 2.50, 10.00, NOV),
        openai("gpt-6.1-sol", 2.00, 0.10, 2.50, 10.00, OCT),
        openai("gpt-6.1-terra", 1.00, 0.05, 1.25, 5.00, OCT),
        openai("gpt-6-luna", 0.10, 0.01, 0.125, 0.50, OCT),
        openai("gpt-6-astra", 10.00, 1.00, 12.50, 50.00, OCT),
        openai("gpt-5.6-sol", 4.00, 0.40, 5.00, 20.00, LITELLM),
        openai("gpt-5.6-terra", 2.00, 0.20, 2.50, 12.00, LITELLM),
        openai("gpt-5.6-luna", 0.20, 0.02, 0.25, 1.20, LITELLM),
        openai("gpt-5.5", 5.00, 0.50, 5.00, 30.00, LITELLM),
        openai("gpt-5.4", 2.50, 0.25, 2.50, 15.00, LITELLM),
        plain("gpt-5.4-mini", (272_000, 128_000), 0.75, 0.075, 4.50),
        plain("gpt-4o-mini", (128_000, 16_384), 0.15, 0.075, 0.60),
        claude("claude-fable-5-2", (1_000_000, 128_000), 8.00, 0.20, (10.00, 16.00), 40.00),
        claude("claude-opus-5-5", (1_000_000, 128_000), 4.00, 0.20, (5.00, 8.00), 20.00),
        claude("claude-sonnet-5-5", (1_000_000, 128_000), 2.00, 0.10, (2.50, 4.00), 10.00),
        on(kept_longer(haiku, 0.20), &CLAUDE_TERMS),
        claude("claude-haiku-4-5", (200_000, 64_000), 1.00, 0.10, (1.25, 2.00), 5.00),
        claude("claude-sonnet-4-6", (1_000_000, 128_000), 3.00, 0.30, (3.75, 6.00), 15.00),
        seed(
            "sandbox",
            "sandbox",
            (128_000, 16_384),
            &Usd { input: 0.15, read: 0.15, write: 0.15, output: 0.60 },
            None,
            SANDBOX,
        ),
        // Vectors have no output tokens; a request of several texts holds at most 300 000 tokens.
        vectors("openai", "text-embedding-3-small", 300_000, 0.02, LITELLM),
        vectors("openai", "text-embedding-3-large", 300_000, 0.13, LITELLM),
        vectors("sandbox", "sandbox-embedding", 100_000_000, 0.02, SANDBOX),
    ]
}

fn seed(
    provider: &'static str,
    model: &'static str,
    limits: (i64, i64),
    usd: &Usd,
    long_context: Option<LongContext>,
    source: &'static str,
) -> Seed {
    Seed {
        provider,
        model,
        context: limits.0,
        max_output: limits.1,
        prices: UnitPrices {
            input: micro(usd.input),
            cache_read: micro(usd.read),
            cache_write: micro(usd.write),
            output: micro(usd.output),
            reasoning: micro(usd.output),
            long_context,
            ..UnitPrices::default()
        },
        source,
    }
}

/// The same with multipliers for other terms.
fn on(mut seed: Seed, terms: &[(&str, i64)]) -> Seed {
    seed.prices.terms = terms.iter().map(|(term, permille)| ((*term).to_owned(), *permille)).collect();
    seed
}

/// The same with another price, in dollars per million tokens, for what is kept in the cache for long.
fn kept_longer(mut seed: Seed, long: f64) -> Seed {
    seed.prices.cache_write_long = Some(micro(long));
    seed
}

/// Dollars to micro-credits. The table's numbers have at most three digits after the point, so this is exact.
fn micro(usd: f64) -> i64 {
    let dollars = format!("{usd}").parse::<Credits>().map_or(0, Credits::micro);
    dollars * CREDITS_PER_USD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_become_micro_credits_exactly() {
        assert_eq!(micro(2.00), 200_000_000);
        assert_eq!(micro(0.125), 12_500_000);
        assert_eq!(micro(0.01), 1_000_000);
    }

    #[test]
    fn twelve_hours_in_openais_cache_cost_two_and_a_half_times_the_prompt_where_writes_are_billed() {
        for row in table().iter().filter(|row| row.provider == "openai") {
            let long = (row.prices.cache_write > row.prices.input).then(|| row.prices.input * 5 / 2);
            assert_eq!(row.prices.cache_write_long, long, "{}", row.model);
        }
        assert_eq!(table()[0].prices.cache_write_long, Some(2_000_000_000));
    }

    #[test]
    fn every_seeded_model_has_a_price_and_limits() {
        for row in table() {
            let vectors = row.model.contains("embedding");
            assert!(row.prices.input > 0 && (row.prices.output > 0) != vectors, "{}", row.model);
            assert!((row.max_output > 0) != vectors && row.context >= row.max_output, "{}", row.model);
        }
    }
}
