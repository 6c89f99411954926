//! `/api/credits/alerts`: when and where the owner of an account is told of a low balance.

use hub_store::alerts::{self as store, Webhook};
use hub_types::{Caller, Credits, Permission, UserId, random_bytes};

use super::CreditsError;
use crate::sealing::SealError;
use crate::{Hub, rbac};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct AlertSettings {
    /// A balance below this is low; above zero. `None` for no alerts.
    pub low_balance_at: Option<Credits>,
    /// Where to tell besides by mail.
    pub webhook_url: Option<String>,
}

/// What is in force.
#[derive(Clone)]
pub struct Alerts {
    /// What was asked for.
    pub settings: AlertSettings,
    /// What messages to the webhook are signed with; only when it was just made.
    pub new_secret: Option<String>,
}

/// What the caller's account is told.
pub async fn alerts(hub: &Hub, caller: &Caller) -> Result<AlertSettings, CreditsError> {
    rbac::require(caller, Permission::CreditsRead)?;
    let mut tx = hub.store.read().await?;
    let found = store::get(&mut tx, caller.user).await?.ok_or(CreditsError::NotFound)?;
    Ok(AlertSettings { low_balance_at: found.low_balance_at, webhook_url: found.webhook.map(|webhook| webhook.url) })
}

/// Replaces what the caller's account is told. Only in a session: where messages go, and what signs them, is no business of a key. A webhook whose address stays keeps its secret; another one gets a new secret, shown once.
pub async fn set_alerts(hub: &Hub, caller: &Caller, settings: AlertSettings) -> Result<Alerts, CreditsError> {
    rbac::require(caller, Permission::CreditsRead)?;
    caller.session().ok_or(CreditsError::NeedsSession)?;
    if settings.low_balance_at.is_some_and(|low| !low.is_positive()) {
        return Err(CreditsError::Invalid { field: "lowBalanceAt", message: "must be above zero" });
    }
    if let Some(url) = &settings.webhook_url {
        hub.webhooks.check(url).map_err(|_| CreditsError::Invalid {
            field: "webhookUrl",
            message: "must be a public https address of at most 500 characters without a user name",
        })?;
    }
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    let old = store::get(&mut tx, caller.user).await?.ok_or(CreditsError::NotFound)?;
    store::set_threshold(&mut tx, caller.user, settings.low_balance_at).await?;
    let kept = old.webhook.filter(|old| settings.webhook_url.as_ref() == Some(&old.url));
    let mut new_secret = None;
    if let (None, Some(url)) = (&kept, &settings.webhook_url) {
        let secret = format!("whsec_{}", hex::encode(random_bytes::<32>()));
        let secret_sealed = hub.sealer.seal(&context(caller.user), secret.as_bytes())?;
        store::set_webhook(&mut tx, caller.user, Some(&Webhook { url: url.clone(), secret_sealed }), now).await?;
        new_secret = Some(secret);
    } else if kept.is_none() {
        store::set_webhook(&mut tx, caller.user, None, now).await?;
    }
    tx.commit().await?;
    Ok(Alerts { settings, new_secret })
}

/// What signs messages to this user's webhook.
pub(super) fn open_secret(hub: &Hub, user: UserId, webhook: &Webhook) -> Result<Vec<u8>, SealError> {
    hub.sealer.open(&context(user), &webhook.secret_sealed)
}

fn context(user: UserId) -> String {
    format!("webhook:{user}")
}
