//! The alert of a low balance: one mail, one signed message to the owner's webhook, and a word to the owner's open connections.
//!
//! The database enqueues a `credits.low_balance` job with the ledger row that crosses the threshold downward; the job's id is the row's.

use hmac::{Hmac, KeyInit, Mac};
use hub_clients::webhook::{WebhookError, WebhookMessage};
use hub_store::jobs::{self, Job, NewJob};
use hub_store::{StoreError, alerts as store};
use hub_types::{Email, JobId, TransactionId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;

use super::alerts::open_secret;
use super::low_balance_events::{LowBalance, publish};
use crate::Hub;
use crate::identity::mails::{Letter, send};

/// Tells that a balance became low. No payload: the job's id is the ledger row's.
pub(crate) const LOW_BALANCE: &str = "credits.low_balance";
/// Sends one message to a webhook. Payload: [`Delivery`].
pub(crate) const WEBHOOK_SEND: &str = "webhook.send";
/// Attempts to reach a webhook, over some hours (see `jobs::pause`).
const ATTEMPTS: i32 = 12;

/// What a `webhook.send` job carries. Address and secret are read when it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    user: UserId,
    event: String,
    body: Value,
}

/// Why a message did not get out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    #[error("the payload is not readable")]
    Payload(#[source] serde_json::Error),
    #[error("the webhook's secret cannot be opened")]
    Secret,
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DeliveryError {
    /// True when doing the same again cannot help.
    pub(crate) const fn is_permanent(&self) -> bool {
        match self {
            Self::Payload(_) | Self::Secret => true,
            Self::Webhook(error) => error.is_permanent(),
            Self::Store(_) => false,
        }
    }
}

/// Enqueues the mail and the message. Both are told apart by keys, so that a second run adds nothing; there is one mail an hour at most.
pub(crate) async fn tell(hub: &Hub, job: &Job) -> Result<(), StoreError> {
    let row = TransactionId(job.id.0);
    let mut tx = hub.store.write().await?;
    let Some(crossing) = store::crossing(&mut tx, row).await? else { return Ok(()) };
    let Some(alerts) = store::get(&mut tx, crossing.user).await? else { return Ok(()) };
    // Switched off meanwhile.
    let Some(threshold) = alerts.low_balance_at else { return Ok(()) };
    let to: Email = crossing.email.parse().map_err(|_| StoreError::Corrupt("an e-mail address"))?;
    let identity = &hub.settings.identity;
    let letter = Letter {
        subject: format!("Your credits at {} are low", identity.product),
        paragraphs: vec![
            format!("{} credits are left, which is below {threshold}, where you wanted to be told.", crossing.balance),
            "See what was spent, or change when you are told:".to_owned(),
        ],
        link: Some(format!("{}/credits", identity.public_url)),
        dedupe_key: Some(format!("low-balance:{}:{}", crossing.user, crossing.at.timestamp() / 3600)),
        to: &to,
    };
    send(hub, &mut tx, letter).await?;
    if alerts.webhook.is_some() {
        let event = "credits.balance_low";
        let body = json!({
            "event": event, "userId": crossing.user, "transactionId": row, "balance": crossing.balance,
            "lowBalanceAt": threshold, "createdAt": crossing.at,
        });
        let message = NewJob {
            id: JobId::new(&hub.clock),
            kind: WEBHOOK_SEND,
            payload: json!({ "user": crossing.user, "event": event, "body": body }),
            dedupe_key: Some(format!("low-balance-webhook:{row}")),
            run_at: hub.clock.now(),
            max_attempts: ATTEMPTS,
        };
        jobs::enqueue(&mut tx, message).await?;
    }
    tx.commit().await?;
    let event = LowBalance {
        transaction_id: row,
        balance: crossing.balance,
        low_balance_at: threshold,
        created_at: crossing.at,
    };
    publish(hub, crossing.user, &event).await;
    Ok(())
}

/// Sends one message: `x-hub-signature: t=<seconds>,v1=<hex of HMAC-SHA-256 over "<seconds>.<body>">`. A webhook that was taken away
/// meanwhile is told nothing.
pub(crate) async fn deliver(hub: &Hub, job: &Job) -> Result<(), DeliveryError> {
    let delivery: Delivery = serde_json::from_value(job.payload.clone()).map_err(DeliveryError::Payload)?;
    let mut tx = hub.store.read().await?;
    let alerts = store::get(&mut tx, delivery.user).await?;
    drop(tx);
    let Some(webhook) = alerts.and_then(|alerts| alerts.webhook) else { return Ok(()) };
    let secret = open_secret(hub, delivery.user, &webhook).map_err(|_| DeliveryError::Secret)?;
    let body = delivery.body.to_string();
    let seconds = hub.clock.now().timestamp();
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).map_err(|_| DeliveryError::Secret)?;
    mac.update(format!("{seconds}.{body}").as_bytes());
    let signature = format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()));
    let id = job.id.to_string();
    let message =
        WebhookMessage { url: &webhook.url, event: &delivery.event, delivery: &id, signature: &signature, body };
    Ok(hub.webhooks.send(message).await?)
}
