//! Credits: balance, history, grants, deductions, and the hold → settle path of every paid call.
//!
//! Invariants: a balance changes only together with its ledger row, in one transaction; no call runs without a hold; a settle never
//! takes more than its hold; the same key never posts twice. No transaction is open while a provider is awaited.

mod adjust;
mod alerts;
mod balance;
pub(crate) mod budget;
mod deduct;
mod error;
mod expire;
mod export;
mod fold;
mod give;
mod grant;
mod grants;
mod history;
mod hold;
mod lane;
mod lots;
pub(crate) mod low_balance;
mod low_balance_events;
mod measure;
mod post_with;
mod posting;
mod receipt;
mod recompute;
mod refund;
mod renew;
mod reroute;
mod settle;
mod sweep;
pub(crate) mod thaw;
mod verify;

use std::time::Duration;

use hub_store::{StoreError, Tx, accounts};
use hub_types::{Credits, UserId};
use serde::Deserialize;

pub use hub_store::grants::Category;
pub use hub_store::history::Direction;
pub use hub_store::ledger::{Kind, Transaction};
pub use hub_store::receipts::Receipt;

pub use adjust::{Adjust, adjust};
pub use alerts::{AlertSettings, Alerts, alerts, set_alerts};
pub use balance::{Balance, balance};
pub use budget::{BudgetShort, BudgetState, budgets_of, set_budgets};
pub use deduct::{Deduct, Deducted, deduct};
pub use error::CreditsError;
pub use expire::expire_due;
pub use export::{Export, export};
pub use fold::Writer;
pub(crate) use give::PRIORITY as LOT_PRIORITY;
pub use give::{GrantLot, grant_lot};
pub use grant::{Grant, grant};
pub use grants::{ExpiringSoon, OpenGrant, grants};
pub use history::{History, HistoryPage, HistoryQuery, HistoryTotals, export_history, history};
pub use hold::{Checkpoint, HoldError, Shortfall, hold};
pub use low_balance_events::{LowBalance, low_balances, may_be_told};
pub use measure::measure;
pub use receipt::receipt;
pub(crate) use recompute::receipts_between;
pub use recompute::{Period, Recomputed, recompute};
pub use refund::{Refund, refund};
pub use renew::{Renewals, checkpoint};
pub(crate) use reroute::{Reroute, Rerouted, reroute};
pub use settle::{Charge, Outcome, Settled, settle, void};
pub use sweep::{sweep, sweep_all};
pub use verify::{Check, Depth, Entry, Report, verify};

use crate::Hub;

/// `[credits]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Credits a new member starts with, as a `grant` row. 0 gives none.
    pub welcome: Credits,
    /// Seconds a hold lives without a renewal by the process that runs the call; 10 to 600.
    pub lease_seconds: u64,
    /// What happens when the balance does not pay for the longest possible answer and the caller named no limit.
    pub when_short: WhenShort,
    /// Whether webhooks of members may lead to private addresses, and without TLS: only where every member is trusted.
    pub webhooks_to_private_addresses: bool,
}

/// See `Settings::when_short`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenShort {
    /// Shorten the answer to what the balance pays for, and say so.
    Clamp,
    /// Answer 402.
    Refuse,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            welcome: Credits::ZERO,
            lease_seconds: 60,
            when_short: WhenShort::Clamp,
            webhooks_to_private_addresses: false,
        }
    }
}

impl Settings {
    /// How long a hold lives without renewal.
    pub const fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }
}

/// Opens the account of a new user, with the welcome credits, in the transaction that makes the user.
pub async fn open_account(hub: &Hub, tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    accounts::open(tx, user, hub.clock.now()).await?;
    let welcome = hub.settings.credits.welcome;
    if welcome.is_positive() {
        posting::welcome(hub, tx, user, welcome).await?;
    }
    Ok(())
}
