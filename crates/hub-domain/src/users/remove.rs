//! An account is deleted, and restored. Its row stays: ledger and trail point at it, and its address is nobody else's.

use hub_store::{roles, sessions, users, verifications};
use hub_types::{Caller, Permission, UserId};

use super::list::account;
use super::{Account, notices};
use crate::audit::{self, Event};
use crate::rbac::{Authority, RightsError, admin_stays};
use crate::{Hub, Origin, access};

/// Deletes an account: its sessions end, its keys stop, its address stays taken. Needs `users:delete`.
pub async fn remove(hub: &Hub, caller: &Caller, origin: &Origin, id: UserId) -> Result<(), RightsError> {
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    let user = Authority::read(&mut tx, caller, Permission::UsersDelete).await?.target(&mut tx, id).await?;
    let doors = access::doors_of(hub, &mut tx, id).await?;
    if !users::delete(&mut tx, id, now).await? {
        return Err(RightsError::UnknownUser);
    }
    let held = roles::held_by(&mut tx, id).await?;
    admin_stays(&mut tx, &held).await?;
    sessions::revoke_all(&mut tx, id, None, "deleted", now).await?;
    verifications::void_of(&mut tx, id, now).await?;
    let event = Event::new("user.deleted").by(caller).on("user", &id.to_string()).about(id);
    audit::record(hub, &mut tx, origin, event).await?;
    notices::deleted(hub, &mut tx, &user.email).await?;
    tx.commit().await?;
    access::forget(hub, doors).await;
    Ok(())
}

/// Takes a deletion back: password, roles, keys and credits are as they were; sessions stay ended. An account that is not deleted is
/// left as it is. Needs `users:delete`.
pub async fn restore(hub: &Hub, caller: &Caller, origin: &Origin, id: UserId) -> Result<Account, RightsError> {
    let mut tx = hub.store.write().await?;
    let user = Authority::read(&mut tx, caller, Permission::UsersDelete).await?.target(&mut tx, id).await?;
    let restored = users::restore(&mut tx, id, hub.clock.now()).await?;
    if restored {
        let event = Event::new("user.restored").by(caller).on("user", &id.to_string()).about(id);
        audit::record(hub, &mut tx, origin, event).await?;
        notices::restored(hub, &mut tx, &user.email).await?;
    }
    let found = account(&mut tx, id).await?.ok_or(RightsError::UnknownUser)?;
    let doors = access::doors_of(hub, &mut tx, id).await?;
    tx.commit().await?;
    access::forget(hub, doors).await;
    Ok(found)
}
