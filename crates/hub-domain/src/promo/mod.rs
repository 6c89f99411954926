//! Promo codes: made and switched by administrators, redeemed by members.
//!
//! Invariants: a code gives no more than its uses allow, in all and per person, however many try at once; the redemption, its ledger row and
//! its lot are written together or not at all; nobody learns from a refusal whether a code exists.

mod code;
mod create;
mod error;
mod manage;
mod redeem;
mod update;

pub use hub_store::promo::{PromoCode, Redemption};

pub use create::{MAX_BATCH, NewBatch, NewPromo, Terms, create, create_batch};
pub use error::PromoError;
pub use manage::{PromoPage, PromoQuery, begin_export, export_page, get, list, redemptions};
pub use redeem::{Redeemed, redeem};
pub use update::{Change, PromoUpdate, update};

use serde::{Deserialize, Serialize};

/// Whom a code is for; what is empty admits everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Names of roles: one of them is needed.
    pub roles: Vec<String>,
    /// Domains of proven e-mail addresses: one of them is needed.
    pub domains: Vec<String>,
}
