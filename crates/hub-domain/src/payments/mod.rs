//! Top-up: packages of credits, bought through a payment provider.
//!
//! Only a signed event of the provider gives credits, once per payment, and only for the order it names, in full and in its currency. A
//! page that a buyer comes back to gives nothing. What is taken back (refund, dispute) is taken back here too, below zero if need be;
//! then the account is frozen until nothing is open or owed. No transaction is open while a provider is awaited.
//!
//! Lock order: event → payment → order → series of invoices → account.

mod apply;
mod checkout;
mod credit;
mod error;
mod heal;
mod invoice;
mod mails;
mod money;
mod orders;
mod receive;
mod registry;
mod reverse;
mod sandbox;
mod settings;
mod standing;

pub use hub_clients::pay::Press;
pub use hub_store::orders::Order;

pub(crate) use apply::apply;
pub use checkout::{Opened, checkout};
pub use error::PaymentsError;
pub use heal::schedule;
pub(crate) use heal::{forget_old, heal};
pub use invoice::{Invoice, InvoiceContent, invoice};
pub use money::price;
pub use orders::{list, order};
pub use receive::receive;
pub use registry::Registry;
pub use sandbox::{press, sandbox_order};
pub use settings::{Package, Seller, Settings};
pub(crate) use standing::Standing;

/// Works off one event of the inbox. Payload: `{provider, event}`.
pub const EVENT: &str = "payment.event";
/// Looks for events that never arrived, and for what has run out. No payload.
pub const HEAL: &str = "payment.heal";
