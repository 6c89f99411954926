//! `POST /api/credits/quote`: what a call would cost, by the same arithmetic that admits it. Holds nothing and asks no provider.

use hub_clients::llm::CallRequest;
use hub_clients::llm::count::Estimate;
use hub_store::accounts;
use hub_types::{Caller, Credits, Permission, PriceId, Timestamp};

use super::ceiling::Ceiling;
use super::chat::candidates;
use super::{Choice, InferenceError};
use crate::credits::{HoldError, WhenShort, budget};
use crate::pricing::UnitPrices;
use crate::{Hub, rbac};

/// More tokens than any call can have.
const MOST: i64 = 1_000_000_000;

/// What is to be quoted.
#[derive(Debug)]
pub struct QuoteInput {
    /// The call.
    pub asked: Asked,
    /// Which provider.
    pub choice: Choice,
    /// Completion tokens that are expected, for the typical cost.
    pub output: Option<i64>,
    /// The most the caller wants to pay for it.
    pub cap: Option<Credits>,
}

/// A call as it would be sent, or only its size.
#[derive(Debug)]
pub enum Asked {
    /// As it would be sent.
    Call(Box<CallRequest>),
    /// So many prompt tokens to this model.
    Tokens {
        /// The model.
        model: String,
        /// Prompt tokens; 0 to a thousand million.
        input: i64,
    },
}

/// What a call would cost.
#[derive(Debug, Clone)]
pub struct Quote {
    /// The model.
    pub model: String,
    /// Service word of whoever would serve it first.
    pub service: String,
    /// Version of the price.
    pub price: PriceId,
    /// When that version came into force.
    pub price_from: Timestamp,
    /// Unit prices with the caller's margin.
    pub units: UnitPrices,
    /// Prompt tokens at most: the bound that is held for.
    pub input_tokens: i64,
    /// Completion tokens of all choices at most.
    pub output_limit: i64,
    /// Whether the prompt fits the model's window, where that is known: a number as it was given, a call by an estimate of its tokens.
    pub fits: bool,
    /// What would be held for the longest answer.
    pub worst_case: Credits,
    /// The cost at the expected completion tokens, if they were given; at `output_limit` where that is less.
    pub typical: Option<Credits>,
    /// What could be spent on it now: the least of balance, budgets and cap.
    pub spendable: Credits,
    /// Which of them is the least.
    pub bound_by: Gate,
    /// Whether the call would be let through now, if need be with a shorter answer. Never for a number of tokens that does not fit.
    pub affordable: bool,
    /// Completion tokens of all choices that can be paid now; no more than `output_limit`. None for a number that does not fit.
    pub affordable_output: i64,
}

/// What bounds the spending on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// What the account has.
    Balance,
    /// A budget of key or user.
    Budget,
    /// The caller's own cap.
    Cap,
}

/// Quotes a call. Needs `inference:create`, as the call does.
pub async fn quote(hub: &Hub, caller: &Caller, input: &QuoteInput) -> Result<Quote, InferenceError> {
    rbac::require(caller, Permission::InferenceCreate)?;
    let model = match &input.asked {
        Asked::Call(request) => request.model(),
        Asked::Tokens { model, .. } => model.as_str(),
    };
    let first = candidates(hub, caller, model, &input.choice)?.into_iter().next();
    let mut candidate = first.ok_or_else(|| InferenceError::ModelNotFound { model: model.to_owned() })?;
    let (ceiling, prompt) = match &input.asked {
        Asked::Call(request) => {
            let prompt = candidate.provider.counted(request, Estimate::default(), Estimate::default()).prompt();
            candidate = candidate.on_terms(&hub.settings.routing, request).map_err(InferenceError::Unsendable)?;
            (Ceiling::of(request, &candidate)?, prompt)
        }
        Asked::Tokens { input, .. } => {
            let input = (*input).clamp(0, MOST);
            (Ceiling::of_tokens(input, None, &candidate), input)
        }
    };
    let worst_case = ceiling.worst()?;
    let (spendable, bound_by) = spendable(hub, caller, input.cap).await?;
    let fits = candidate.price.context_tokens.is_none_or(|window| prompt <= window);
    // An estimate stops nobody, as the admission of calls does not ask it; the provider has the last word on those.
    let possible = fits || matches!(input.asked, Asked::Call(_));
    let whole = worst_case <= spendable;
    let affordable_output = match (possible, whole) {
        (false, _) => 0,
        (true, true) => ceiling.output,
        (true, false) => ceiling.affordable(spendable).min(ceiling.output),
    };
    let clamps = hub.settings.credits.when_short == WhenShort::Clamp;
    let affordable = possible && (whole || (clamps && ceiling.clone().shorten(affordable_output)));
    let typical = input.output.map(|output| ceiling.cost_of(prompt, output.clamp(0, MOST))).transpose()?;
    Ok(Quote {
        model: model.to_owned(),
        service: candidate.provider.service().to_owned(),
        price: candidate.price.id,
        price_from: candidate.price.valid_from,
        input_tokens: ceiling.input,
        output_limit: ceiling.output,
        fits,
        worst_case,
        typical,
        spendable,
        bound_by,
        affordable,
        affordable_output,
        units: ceiling.units,
    })
}

/// What can be spent on a call now, and what bounds it. An account that is not active can spend nothing.
async fn spendable(hub: &Hub, caller: &Caller, cap: Option<Credits>) -> Result<(Credits, Gate), InferenceError> {
    let mut tx = hub.store.read().await?;
    let account = accounts::get(&mut tx, caller.user).await?.ok_or(HoldError::NoAccount)?;
    let balance = if account.status == "active" { account.spendable() } else { Credits::ZERO };
    let budgets = budget::available(hub, &mut tx, caller).await?;
    let gates = [(Some(balance), Gate::Balance), (budgets, Gate::Budget), (cap, Gate::Cap)];
    let least =
        gates.into_iter().filter_map(|(credits, gate)| Some((credits?, gate))).min_by_key(|(credits, _)| *credits);
    Ok(least.unwrap_or((Credits::ZERO, Gate::Balance)))
}
