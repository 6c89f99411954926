//! The payment provider inside the hub: a page where one presses Pay, Fail or Cancel. No money moves.
//!
//! What is pressed becomes an event in Stripe's form, signed with a secret that lives and dies with the process and checked like one from
//! outside, so a hub that was tried with it runs the same code as one that takes money. It keeps nothing: its pages name their order.

use std::fmt;

use futures::future::{BoxFuture, ready};
use hub_types::{Clock, Timestamp, random_bytes};
use secrecy::SecretString;
use serde_json::json;

use super::{EventError, NewCheckout, OpenCheckout, PayError, PaymentEvent, PaymentProvider, event, signature};

/// What a visitor of the page pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// The payment succeeds.
    Pay,
    /// The payment fails.
    Fail,
    /// The visitor goes away; the checkout ends.
    Cancel,
}

/// Payments that are none.
pub struct SandboxPayments {
    secret: SecretString,
    public_url: String,
    clock: Clock,
}

impl fmt::Debug for SandboxPayments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SandboxPayments")
    }
}

impl SandboxPayments {
    /// With pages below `public_url`, an address without a slash at its end.
    pub fn new(public_url: &str, clock: Clock) -> Self {
        let secret = SecretString::from(format!("whsec_{}", hex::encode(random_bytes::<32>())));
        Self { secret, public_url: public_url.to_owned(), clock }
    }

    /// The event that a press makes: its signature and its body, as they would come over the network.
    pub fn press(&self, checkout: &NewCheckout, session: &str, press: Press) -> (String, Vec<u8>) {
        let (kind, status, payment_status) = match press {
            Press::Pay => ("checkout.session.completed", "complete", "paid"),
            Press::Fail => ("checkout.session.async_payment_failed", "complete", "unpaid"),
            Press::Cancel => ("checkout.session.expired", "expired", "unpaid"),
        };
        let event = json!({
            "id": format!("evt_sandbox_{}", hex::encode(random_bytes::<12>())),
            "object": "event",
            "created": self.clock.now().timestamp(),
            "livemode": false,
            "type": kind,
            "data": { "object": {
                "id": session,
                "object": "checkout.session",
                "status": status,
                "payment_status": payment_status,
                "payment_intent": session.replacen("cs_", "pi_", 1),
                "client_reference_id": checkout.order,
                "amount_total": checkout.amount_minor,
                "currency": checkout.currency,
            }},
        });
        let body = event.to_string().into_bytes();
        (signature::sign(&self.secret, self.clock.now(), &body), body)
    }
}

impl PaymentProvider for SandboxPayments {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn open<'a>(&'a self, _: &'a NewCheckout) -> BoxFuture<'a, Result<OpenCheckout, PayError>> {
        // Whoever knows the address may press; so it cannot be guessed.
        let session = format!("cs_sandbox_{}", hex::encode(random_bytes::<24>()));
        let url = format!("{}/api/credits/sandbox/{session}", self.public_url);
        Box::pin(ready(Ok(OpenCheckout { session, url })))
    }

    fn read_event(&self, header: &str, body: &[u8]) -> Result<Option<PaymentEvent>, EventError> {
        signature::verify(std::slice::from_ref(&self.secret), header, body, self.clock.now())?;
        event::parse(body)
    }

    fn takes_events(&self) -> bool {
        true
    }

    fn recent_events(&self, _: Timestamp) -> BoxFuture<'_, Result<Vec<PaymentEvent>, PayError>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn foreign(&self, event: &PaymentEvent) -> Option<&'static str> {
        (event.live || event.account.is_some()).then_some("no real payment goes through the sandbox")
    }
}
