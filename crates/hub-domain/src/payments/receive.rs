//! Events of the provider on their way in: checked, written down once, answered. A job works them off.

use hub_clients::pay::{EventError, PaymentEvent};
use hub_store::jobs::NewJob;
use hub_store::webhooks::{self, Received};
use hub_store::{StoreError, jobs};
use hub_types::JobId;
use serde_json::json;

use super::{EVENT, PaymentsError};
use crate::Hub;

/// Attempts to work an event off, over about a day (see `jobs::pause`).
const ATTEMPTS: i32 = 30;

/// Takes an event as it came: the signature header and the raw body. `Ok` also for what was known before or concerns no order.
pub async fn receive(hub: &Hub, provider: &str, signature: Option<&str>, body: &[u8]) -> Result<(), PaymentsError> {
    let from = hub.payments.provider()?;
    if from.name() != provider || !from.takes_events() {
        return Err(PaymentsError::NoProvider);
    }
    let read = signature.ok_or(EventError::Malformed).and_then(|header| from.read_event(header, body));
    match read {
        Ok(None) => Ok(()),
        Ok(Some(event)) => {
            keep(hub, provider, &event).await?;
            Ok(())
        }
        Err(error) => {
            tracing::warn!(provider, %error, "an event was refused at the door");
            Err(error.into())
        }
    }
}

/// Writes an event down together with the job that works it off; `false` when it was known.
pub(super) async fn keep(hub: &Hub, provider: &str, event: &PaymentEvent) -> Result<bool, StoreError> {
    let now = hub.clock.now();
    let payload = serde_json::to_value(event).map_err(|_| StoreError::Corrupt("an event"))?;
    let mut tx = hub.store.write().await?;
    let received = Received { provider, id: &event.id, kind: &event.kind, payload: &payload, at: now };
    if !webhooks::receive(&mut tx, &received).await? {
        return Ok(false);
    }
    let job = NewJob {
        id: JobId::new(&hub.clock),
        kind: EVENT,
        payload: json!({ "provider": provider, "event": event.id }),
        dedupe_key: Some(format!("{EVENT}:{provider}:{}", event.id)),
        run_at: now,
        max_attempts: ATTEMPTS,
    };
    jobs::enqueue(&mut tx, job).await?;
    tx.commit().await?;
    Ok(true)
}
