//! Why a rule about payments says no.

use hub_clients::pay::{EventError, PayError};
use hub_store::StoreError;

use crate::rbac::Denied;

/// The refusals of checkout, orders, invoices and events.
#[derive(Debug, thiserror::Error)]
pub enum PaymentsError {
    /// The caller lacks the permission.
    #[error("the caller may not do this")]
    Denied(#[from] Denied),
    /// This hub takes no payments, or no events from there.
    #[error("no payment provider")]
    NoProvider,
    /// Only the sandbox takes payments, and a provider that costs money can be called.
    #[error("the sandbox takes no payments beside a provider that costs money")]
    CostsMoney,
    /// No such package.
    #[error("no such package")]
    UnknownPackage,
    /// No such order or invoice, or not the caller's.
    #[error("not found")]
    NotFound,
    /// Too many orders of the caller wait for a payment.
    #[error("too many open orders")]
    TooMany,
    /// The key was used with another request.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// The event is not genuine, too old or not readable.
    #[error("the event is refused")]
    Event(#[from] EventError),
    /// The provider did not open a checkout.
    #[error("the payment provider failed")]
    Provider(#[from] PayError),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] StoreError),
}
