//! Who holds which role: shown, given, taken. The owner is told by mail.

use hub_store::roles::{self, Role};
use hub_store::users::User;
use hub_store::{StoreError, Tx, users};
use hub_types::{Caller, Credential, Permission, UserId};
use serde_json::json;

use super::authority::{Authority, admin_stays};
use super::{RightsError, require};
use crate::audit::{self, Event};
use crate::users::notices;
use crate::{Hub, Origin, access};

/// The roles of a user, mightiest first. Needs `users:read`.
pub async fn roles_of(hub: &Hub, caller: &Caller, user: UserId) -> Result<Vec<Role>, RightsError> {
    require(caller, Permission::UsersRead)?;
    let mut tx = hub.store.read().await?;
    users::by_id(&mut tx, user).await?.ok_or(RightsError::UnknownUser)?;
    Ok(roles::held_by(&mut tx, user).await?)
}

/// Gives a user a role; `false` when the user has it already. Needs `roles:update`; nobody grants above their own rank or
/// what they lack, nor to somebody above them.
pub async fn assign_role(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    user: UserId,
    role: &str,
) -> Result<bool, RightsError> {
    let mut tx = hub.store.write().await?;
    let (target, role) = checked_role(&mut tx, caller, user, role).await?;
    let by = (caller.credential != Credential::Operator).then_some(caller.user);
    if !roles::assign(&mut tx, user, role.id, by, hub.clock.now()).await? {
        return Ok(false);
    }
    notices::role_granted(hub, &mut tx, &target.email, &role.name).await?;
    finish(hub, tx, caller, origin, user, &role, "role.granted").await?;
    Ok(true)
}

/// Takes a role from a user; `false` when the user does not have it. The same limits as for granting, and the last
/// administrator stays one.
pub async fn remove_role(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    user: UserId,
    role: &str,
) -> Result<bool, RightsError> {
    let mut tx = hub.store.write().await?;
    let (target, role) = checked_role(&mut tx, caller, user, role).await?;
    if !roles::unassign(&mut tx, user, role.id).await? {
        return Ok(false);
    }
    admin_stays(&mut tx, std::slice::from_ref(&role)).await?;
    notices::role_revoked(hub, &mut tx, &target.email, &role.name).await?;
    finish(hub, tx, caller, origin, user, &role, "role.revoked").await?;
    Ok(true)
}

async fn checked_role(tx: &mut Tx, caller: &Caller, user: UserId, role: &str) -> Result<(User, Role), RightsError> {
    let authority = Authority::read(tx, caller, Permission::RolesUpdate).await?;
    let target = authority.target(tx, user).await?;
    if target.deleted_at.is_some() {
        return Err(RightsError::UnknownUser);
    }
    let role = authority.handed_on(tx, role).await?;
    Ok((target, role))
}

/// Rights changed: access tokens of the user are void, so that the next one names the new rights.
async fn finish(
    hub: &Hub,
    mut tx: Tx,
    caller: &Caller,
    origin: &Origin,
    user: UserId,
    role: &Role,
    action: &'static str,
) -> Result<(), StoreError> {
    users::bump_auth_version(&mut tx, user, hub.clock.now()).await?;
    let event = Event::new(action).by(caller).on("user", &user.to_string()).about(user);
    audit::record(hub, &mut tx, origin, event.details(json!({ "role": role.name }))).await?;
    let doors = access::doors_of(hub, &mut tx, user).await?;
    tx.commit().await?;
    access::forget(hub, doors).await;
    Ok(())
}
