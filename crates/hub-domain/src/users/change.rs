//! An account is renamed, vouched for, switched off or on by somebody above it. Addresses are changed by their owners only.

use hub_store::users::{self, UserStatus};
use hub_store::verifications;
use hub_store::{roles, sessions};
use hub_types::{Caller, Permission, UserId};
use serde_json::json;

use super::list::account;
use super::{Account, notices};
use crate::audit::{self, Event};
use crate::identity::checked_name;
use crate::rbac::{Authority, RightsError, admin_stays};
use crate::{Hub, Origin, access};

/// What a name may be.
pub(super) const NAME: &str = "must have at most 100 characters, none of them control characters";

/// What is to be different; what is not given stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Display name; may be empty.
    pub name: Option<String>,
    /// Off ends all sessions at once; keys and passwords rest until it is on again.
    pub status: Option<UserStatus>,
    /// True: somebody vouches for the mailbox.
    pub vouched: bool,
}

/// Changes somebody's account, all or nothing, and gives it as it is then. Needs `users:update`.
pub async fn change(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    id: UserId,
    change: Change,
) -> Result<Account, RightsError> {
    let name = change
        .name
        .as_deref()
        .map(|name| checked_name(name).ok_or(RightsError::Invalid { field: "name", message: NAME }));
    let (name, now) = (name.transpose()?, hub.clock.now());
    let mut tx = hub.store.write().await?;
    let user = Authority::read(&mut tx, caller, Permission::UsersUpdate).await?.target(&mut tx, id).await?;
    if user.deleted_at.is_some() {
        return Err(RightsError::UnknownUser);
    }
    let event = |action| Event::new(action).by(caller).on("user", &id.to_string()).about(id);
    let doors = access::doors_of(hub, &mut tx, id).await?;
    let mut changed = Vec::new();
    if let Some(name) = name
        && users::set_name(&mut tx, id, &name, now).await?
    {
        changed.push("name");
    }
    if change.vouched && users::set_verified(&mut tx, id, now).await? {
        changed.push("verified");
    }
    if !changed.is_empty() {
        audit::record(hub, &mut tx, origin, event("user.updated").details(json!({ "changed": changed }))).await?;
    }
    if let Some(status) = change.status
        && users::set_status(&mut tx, id, status, now).await?
    {
        match status {
            UserStatus::Disabled => {
                let held = roles::held_by(&mut tx, id).await?;
                admin_stays(&mut tx, &held).await?;
                sessions::revoke_all(&mut tx, id, None, "disabled", now).await?;
                verifications::void_of(&mut tx, id, now).await?;
                audit::record(hub, &mut tx, origin, event("user.disabled")).await?;
                notices::disabled(hub, &mut tx, &user.email).await?;
            }
            UserStatus::Active => {
                audit::record(hub, &mut tx, origin, event("user.enabled")).await?;
                notices::enabled(hub, &mut tx, &user.email).await?;
            }
        }
    }
    let found = account(&mut tx, id).await?.ok_or(RightsError::UnknownUser)?;
    tx.commit().await?;
    access::forget(hub, doors).await;
    Ok(found)
}
