//! Payments on their way in.
//!
//! A rule asks a [`PaymentProvider`] for a hosted page where somebody pays ([`StripeProvider`], or [`SandboxPayments`], which ships), and
//! hears what became of it by signed events. An event says what the provider saw; whether credits are given for it is never decided here.
//! No card data, no credential and no buyer's address leaves this room.

mod event;
mod fetch;
mod sandbox;
pub mod signature;
mod stripe;

use std::time::Duration;

use futures::future::BoxFuture;
use hub_types::Timestamp;

pub use event::{Change, Checkout, CheckoutState, DisputeState, PaymentEvent};
pub use sandbox::{Press, SandboxPayments};
pub use stripe::{STRIPE_URL, STRIPE_VERSION, StripeConfig, StripeConfigError, StripeProvider};

/// Somebody who takes payments.
pub trait PaymentProvider: Send + Sync + 'static {
    /// The word in orders, events and logs: `stripe`, `sandbox`.
    fn name(&self) -> &'static str;

    /// Opens a page where this order is paid. The same order again gives the same page.
    fn open<'a>(&'a self, order: &'a NewCheckout) -> BoxFuture<'a, Result<OpenCheckout, PayError>>;

    /// Checks the signature over the raw body and reads the event. `None`: genuine, but about nothing that concerns an order.
    fn read_event(&self, signature: &str, body: &[u8]) -> Result<Option<PaymentEvent>, EventError>;

    /// True when events from outside are taken: there is a secret to check them with.
    fn takes_events(&self) -> bool;

    /// Events since `since`, oldest first, to find those that never arrived. At most a few thousand.
    fn recent_events(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<PaymentEvent>, PayError>>;

    /// Why an event that passed its signature is not meant for this hub: another account, or play money among real.
    fn foreign(&self, event: &PaymentEvent) -> Option<&'static str>;
}

/// An order to be paid.
#[derive(Debug, Clone)]
pub struct NewCheckout {
    /// Our id of the order; names the act towards the provider, too.
    pub order: String,
    /// What is bought, in words.
    pub name: String,
    /// The price, in the smallest unit of the currency.
    pub amount_minor: i64,
    /// ISO 4217, lower case.
    pub currency: String,
    /// The buyer's address, filled in for them.
    pub email: String,
    /// Where the buyer goes afterwards. Coming there proves nothing.
    pub success_url: String,
    /// Where the buyer goes who changes their mind.
    pub cancel_url: String,
}

/// A page where somebody pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCheckout {
    /// The provider's id of it.
    pub session: String,
    /// Its address.
    pub url: String,
}

/// The provider did not do what was asked. Texts are for operators: none holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// It will never do this; its own words.
    #[error("the payment provider refused: {status} {message}")]
    Refused {
        /// Its status.
        status: u16,
        /// Its words, cut.
        message: String,
    },
    /// It is away, too slow or busy.
    #[error("the payment provider is not available: {message}")]
    Unavailable {
        /// What was seen of it.
        message: String,
        /// The pause it asked for.
        retry_after: Option<Duration>,
    },
    /// Its answer is not what it promises.
    #[error("the payment provider's answer cannot be used: {0}")]
    Protocol(&'static str),
}

impl PayError {
    /// True when asking the same again cannot help.
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// Why an event is not believed or not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The header is missing or not in the provider's form.
    #[error("the signature is not readable")]
    Malformed,
    /// No secret of ours made it.
    #[error("the signature does not fit")]
    Forged,
    /// Signed too long ago, or for a time to come: perhaps somebody repeats it.
    #[error("the signature is too old")]
    Stale,
    /// Genuine, but not readable.
    #[error("the event is not readable")]
    Unreadable,
}
