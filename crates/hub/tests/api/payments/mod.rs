//! Top-up, against a Stripe made here that speaks real HTTP, and with the sandbox.

mod checkout;
mod events;
mod invoices;
mod kit;
mod reversals;
mod sandbox;
mod stripe;
