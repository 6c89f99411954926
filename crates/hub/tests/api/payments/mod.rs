//! Top-up, against a Stripe made here that speaks real HTTP, and with the sandbox.

mod checkout;
mod debts;
mod disputes;
mod events;
mod invoices;
pub(crate) mod kit;
mod reversals;
mod sandbox;
mod stripe;
