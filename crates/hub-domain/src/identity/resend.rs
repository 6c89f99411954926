//! Mails the proof of a pending registration again, with a new code and link.

use hub_store::verifications::{self, Purpose};
use hub_store::{StoreError, users};
use hub_types::Email;

use super::REGISTRATION_LIFE;
use super::register::mail_proof;
use crate::Hub;

/// The registration's own mail and three more, per hour.
const PER_HOUR: i64 = 4;

/// Mails a new code, where there is something to prove and not too many mails went out.
pub(super) async fn mail_again(hub: &Hub, email: &Email) -> Result<(), StoreError> {
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    if users::by_email(&mut tx, email).await?.is_none() {
        let pending = verifications::newest(&mut tx, email, Purpose::Register).await?;
        if let Some(pending) = pending.filter(|pending| now - pending.created_at < REGISTRATION_LIFE) {
            mail_proof(hub, &mut tx, email, &pending.payload, PER_HOUR).await?;
        }
    }
    tx.commit().await
}
