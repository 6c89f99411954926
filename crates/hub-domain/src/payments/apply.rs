//! Working off one event of the inbox, in one transaction: what it changes, its audit row, and the note that it is done.

use hub_clients::pay::{Change, PaymentEvent};
use hub_store::{StoreError, Tx, webhooks};
use serde_json::json;

use super::{credit, reverse};
use crate::audit::{self, Event};
use crate::{Hub, Origin};

/// What became of an event: nothing more to say, or why it has no effect.
pub(super) type Verdict = Result<(), &'static str>;

/// Applies an event unless that was done before. Harmless to repeat, and to run twice at once.
pub(crate) async fn apply(hub: &Hub, provider: &str, id: &str) -> Result<(), StoreError> {
    let mut tx = hub.store.write().await?;
    let Some(payload) = webhooks::take(&mut tx, provider, id).await? else { return Ok(()) };
    let event: PaymentEvent =
        serde_json::from_value(payload).map_err(|_| StoreError::Corrupt("an event of a payment provider"))?;
    let verdict = decide(hub, &mut tx, provider, &event).await?;
    if let Err(reason) = verdict {
        tracing::warn!(
            provider,
            event = event.id,
            kind = event.kind,
            reason,
            "an event of the payment provider has no effect"
        );
        let refused = Event::new("payment.refused").failed().on("payment_event", &event.id);
        let details = json!({ "kind": event.kind, "provider": provider, "reason": reason, "event": event.change });
        audit::record(hub, &mut tx, &Origin::default(), refused.details(details)).await?;
    }
    webhooks::done(&mut tx, provider, id, verdict.err(), hub.clock.now()).await?;
    tx.commit().await
}

/// Refusals are found before anything is written, so that the transaction can go on to note them.
async fn decide(hub: &Hub, tx: &mut Tx, provider: &str, event: &PaymentEvent) -> Result<Verdict, StoreError> {
    // Written down under another provider than the one in force: there is nobody to ask whose it is.
    let known = hub.payments.provider().ok().filter(|known| known.name() == provider);
    if let Some(reason) = known.and_then(|known| known.foreign(event)) {
        return Ok(Err(reason));
    }
    match &event.change {
        Change::Checkout(checkout) => credit::checkout(hub, tx, provider, checkout).await,
        Change::Refund { .. } | Change::RefundFailed { .. } | Change::Dispute { .. } => {
            reverse::note(hub, tx, provider, event).await
        }
    }
}
