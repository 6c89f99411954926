//! The sandbox's page: what stands on it, and what a press does. The address of the page is the only proof that is asked for: it moves no
//! money, and it cannot be guessed.

use hub_clients::pay::{NewCheckout, Press};
use hub_store::orders::{self, Order};

use super::{PaymentsError, receive};
use crate::{Hub, providers};

/// The order of a page.
pub async fn sandbox_order(hub: &Hub, session: &str) -> Result<Order, PaymentsError> {
    hub.payments.the_sandbox()?;
    let mut tx = hub.store.read().await?;
    let order = orders::by_session(&mut tx, session).await?;
    order.filter(|order| order.provider == "sandbox").ok_or(PaymentsError::NotFound)
}

/// Refuses where credits buy what costs the operator money and nobody said that the sandbox may play there: everybody could give
/// themselves such credits. Providers come and go while the hub runs, so this is asked each time, of the database.
pub(super) async fn may_play(hub: &Hub) -> Result<(), PaymentsError> {
    if hub.payments.the_sandbox().is_ok() {
        providers::refresh(hub).await?;
    }
    if hub.payments_are_off() { Err(PaymentsError::CostsMoney) } else { Ok(()) }
}

/// Presses a button on the page: the event it makes goes the way of every event. An order that ended stays as it is.
pub async fn press(hub: &Hub, session: &str, press: Press) -> Result<(), PaymentsError> {
    let order = sandbox_order(hub, session).await?;
    if order.status != "pending" {
        return Ok(());
    }
    if press == Press::Pay {
        may_play(hub).await?;
    }
    let checkout = NewCheckout {
        order: order.id.to_string(),
        name: order.name,
        amount_minor: order.price_minor,
        currency: order.currency,
        email: String::new(),
        success_url: String::new(),
        cancel_url: String::new(),
    };
    let (signature, body) = hub.payments.the_sandbox()?.press(&checkout, session, press);
    receive(hub, "sandbox", Some(&signature), &body).await
}
