//! Letting an account spend again that a payment taken back had frozen, in the transaction that pays what it owed.

use hub_store::{StoreError, Tx, reversals};
use hub_types::UserId;

use crate::audit::{self, Event};
use crate::{Hub, Origin};

/// Lifts what a payment froze if nothing is owed and no dispute is open, and writes that down. To be called after whatever gave credits.
pub(crate) async fn if_even(hub: &Hub, tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    if reversals::thaw(tx, user, hub.clock.now()).await? { note(hub, tx, user).await } else { Ok(()) }
}

/// Writes down that an account may spend again.
pub(crate) async fn note(hub: &Hub, tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    let event = Event::new("account.thawed").on("user", &user.to_string()).about(user);
    audit::record(hub, tx, &Origin::default(), event).await
}
