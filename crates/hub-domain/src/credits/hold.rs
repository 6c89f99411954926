//! Setting credits aside before a call.

use std::time::Duration;

use hub_store::StoreError;
use hub_store::accounts::Account;
use hub_store::holds::NewHold;
use hub_types::{Credits, TokenUsage};
use serde::{Deserialize, Serialize};

use super::budget::{self, BudgetShort};
use crate::Hub;
use crate::pricing::UnitPrices;

/// Everything needed to write the receipt of a call whose process died; stored on the hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// The route called.
    pub route: String,
    /// Model as sent to the provider.
    pub upstream_model: String,
    /// The pinned unit prices.
    pub unit_prices: UnitPrices,
    /// Tokens known to be consumed so far.
    pub usage: TokenUsage,
    /// Attempts made so far.
    pub attempts: i32,
}

/// Why nothing could be set aside.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The account cannot pay for it.
    #[error("not enough credits")]
    Insufficient(Shortfall),
    /// A budget of the key or the user has too little left.
    #[error("a budget is spent")]
    Budget(Box<BudgetShort>),
    /// The account is frozen or closed.
    #[error("the account is not active")]
    Frozen,
    /// The user has no account.
    #[error("no credit account")]
    NoAccount,
    /// The database failed. Paid calls are refused then, never free.
    #[error("the database failed")]
    Store(#[from] StoreError),
}

/// The numbers of a 402.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// What the call may cost at most.
    pub needed: Credits,
    /// What could be spent when it was tried.
    pub spendable: Credits,
    /// Promised to other running calls; they give back what they do not use.
    pub held: Credits,
    /// When it may be worth trying again: where running calls hold what is missing.
    pub retry_after: Option<Duration>,
}

impl Shortfall {
    /// What is missing.
    pub fn missing(&self) -> Credits {
        self.needed.checked_sub(self.spendable).unwrap_or_default()
    }
}

/// Sets the amount aside, in a commit shared with whatever else is asked for at this moment. Two calls can never promise the same credit.
pub async fn hold(hub: &Hub, hold: &NewHold) -> Result<(), HoldError> {
    hub.ledger.hold(hub, hold.clone()).await?
}

/// Why an account cannot promise the amount; `None` when it can.
pub(super) fn refusal(account: Option<&Account>, needed: Credits) -> Option<HoldError> {
    match account {
        None => Some(HoldError::NoAccount),
        Some(account) if account.status != "active" => Some(HoldError::Frozen),
        Some(account) if account.spendable() < needed => Some(HoldError::Insufficient(Shortfall {
            needed,
            spendable: account.spendable(),
            held: account.held,
            retry_after: (account.held.is_positive() && needed <= account.spendable_without_holds())
                .then_some(budget::CALLS_END),
        })),
        Some(_) => None,
    }
}
