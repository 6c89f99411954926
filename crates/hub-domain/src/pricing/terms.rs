//! What other terms than the usual ones make of a price: a faster answer is dearer, a patient one cheaper (providers.md §8).

use std::sync::Arc;

use hub_clients::llm::{BadRequest, Terms};

use super::book::Price;
use super::units::UnitPrices;

/// The usual terms, in thousandths.
const USUAL: i64 = 1000;

impl Price {
    /// The price of a call on these terms. The version stays the same: what differs is the multiplier in its unit prices.
    ///
    /// # Errors
    /// A term has no price: the field, and what to tell the caller.
    pub fn on(self: Arc<Self>, terms: &Terms) -> Result<Arc<Self>, BadRequest> {
        let mut permille = USUAL;
        for (field, value) in terms.priced_apart() {
            permille = times(permille, self.units.multiplier(field, value).ok_or_else(|| unpriced(field, value))?);
        }
        if permille == USUAL {
            return Ok(self);
        }
        let mut price = Self::clone(&self);
        price.units.terms_permille = permille;
        Ok(Arc::new(price))
    }
}

impl UnitPrices {
    /// The same for a call that was asked for on some terms and served on others. Where the provider names terms without a price, what was
    /// asked for counts, which has one.
    #[must_use]
    pub fn served(&self, asked: &Terms, told: &Terms) -> Self {
        let usual = |(field, value): (&str, &str)| {
            let asked = asked.priced_apart().find(|(name, _)| *name == field);
            self.multiplier(field, value).or_else(|| self.multiplier(field, asked?.1)).unwrap_or(USUAL)
        };
        let served = asked.served(told);
        let permille = served.priced_apart().map(usual).fold(USUAL, times);
        Self { terms_permille: if permille == USUAL { 0 } else { permille }, ..self.clone() }
    }

    /// The multiplier of one term, in thousandths.
    fn multiplier(&self, field: &str, value: &str) -> Option<i64> {
        self.terms.get(&format!("{field}:{value}")).copied()
    }
}

/// Both multipliers; what is left over goes up.
fn times(one: i64, other: i64) -> i64 {
    let both = (i128::from(one) * i128::from(other) + i128::from(USUAL) - 1) / i128::from(USUAL);
    i64::try_from(both).unwrap_or(i64::MAX)
}

fn unpriced(field: &str, value: &str) -> BadRequest {
    BadRequest { param: Some(field.to_owned()), message: format!("{value:?} has no price for this model") }
}

#[cfg(test)]
mod tests {
    use hub_types::{Clock, PriceId, TokenUsage};

    use super::*;

    fn price(terms: &[(&str, i64)]) -> Arc<Price> {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        Arc::new(Price {
            id: PriceId::new(&clock),
            service: "openai".to_owned(),
            model: "m".to_owned(),
            units: UnitPrices {
                input: 1_000_000,
                request: 7,
                terms: terms.iter().map(|(name, permille)| ((*name).to_owned(), *permille)).collect(),
                ..UnitPrices::default()
            },
            context_tokens: None,
            max_output_tokens: 1,
            valid_from: clock.now(),
            source: String::new(),
        })
    }

    fn terms(json: &str) -> Terms {
        Terms::of(&serde_json::from_str(json).unwrap())
    }

    fn micro(units: &UnitPrices) -> i64 {
        units.cost(&TokenUsage { input: 1_000, ..TokenUsage::default() }).unwrap().amount.micro()
    }

    #[test]
    fn terms_multiply_what_tokens_cost_and_not_what_a_call_costs() {
        let price = price(&[("speed:fast", 2_000), ("inference_geo:us", 1_100), ("service_tier:flex", 500)]);
        let cost = |json| micro(&Arc::clone(&price).on(&terms(json)).unwrap().units);
        assert_eq!(cost("{}"), 1_007);
        assert_eq!(cost(r#"{"speed":"standard","service_tier":"auto"}"#), 1_007);
        assert_eq!(cost(r#"{"speed":"fast"}"#), 2_007);
        assert_eq!(cost(r#"{"speed":"fast","inference_geo":"us"}"#), 2_207);
        assert_eq!(cost(r#"{"service_tier":"flex"}"#), 507);
    }

    #[test]
    fn terms_without_a_price_are_refused() {
        let refused = price(&[]).on(&terms(r#"{"service_tier":"ultrafast"}"#)).unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("service_tier"));
    }

    #[test]
    fn what_the_provider_says_it_served_is_what_is_paid() {
        let priority = price(&[("service_tier:priority", 2_000), ("service_tier:flex", 500)]);
        let (asked, usual) = (terms(r#"{"service_tier":"priority"}"#), terms("{}"));
        let units = &Arc::clone(&priority).on(&asked).unwrap().units;
        let paid = |asked, told: &str| micro(&units.served(asked, &terms(told)));
        assert_eq!(paid(&asked, r#"{"service_tier":"priority"}"#), 2_007);
        assert_eq!(paid(&asked, r#"{"service_tier":"default"}"#), 1_007, "it was served like any other");
        assert_eq!(paid(&asked, r#"{"service_tier":"new"}"#), 2_007, "nobody knows what that costs");
        assert_eq!(paid(&asked, "{}"), 2_007);
        assert_eq!(paid(&usual, r#"{"service_tier":"priority"}"#), 2_007, "the provider's own settings chose it");
        assert_eq!(paid(&usual, r#"{"service_tier":"scale"}"#), 1_007);
    }
}
