//! Permissions that operators make for programs of their own, which ask the hub who may do what. The hub's own are fixed: no rule here asks for
//! any other.
//!
//! Making and deleting them is for administrators: every role may hold one, also those above somebody.

use hub_store::permissions::{self, Permission as PermissionRow};
use hub_store::{Tx, roles};
use hub_types::{Caller, Permission, PermissionId, SystemRole};
use serde_json::json;

use super::authority::Authority;
use super::role::checked_description;
use super::{RightsError, require};
use crate::audit::{self, Event};
use crate::{Hub, Origin, access};

/// Permissions in all, at most.
const MOST: i64 = 500;

/// True for the permissions that the hub's own rules ask for.
pub fn is_own(name: &str) -> bool {
    Permission::ALL.iter().any(|permission| permission.name() == name)
}

/// All permissions by name. Needs `roles:read`.
pub async fn list_permissions(hub: &Hub, caller: &Caller) -> Result<Vec<PermissionRow>, RightsError> {
    require(caller, Permission::RolesRead)?;
    let mut tx = hub.store.read().await?;
    Ok(permissions::list(&mut tx).await?)
}

/// Makes a permission `resource:action` about something that is not the hub's, and gives it to the administrators. Needs `roles:create`.
pub async fn create_permission(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    name: &str,
    description: &str,
) -> Result<PermissionRow, RightsError> {
    let wrong = |message| RightsError::Invalid { field: "name", message };
    let parts = name.split_once(':').filter(|(resource, action)| super::is_word(resource) && super::is_word(action));
    let (resource, action) =
        parts.ok_or(wrong("must be resource:action, each 1 to 40 characters of a-z, 0-9, - and _"))?;
    if Permission::ALL.iter().any(|permission| permission.resource() == resource) {
        return Err(wrong("the resource is one of the hub's own"));
    }
    let new = PermissionRow {
        id: PermissionId::new(&hub.clock),
        name: name.to_owned(),
        resource: resource.to_owned(),
        action: action.to_owned(),
        description: checked_description(description)?,
    };
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    administrator(&mut tx, caller, Permission::RolesCreate).await?;
    if permissions::count(&mut tx).await? >= MOST {
        return Err(RightsError::TooMany);
    }
    if !permissions::insert(&mut tx, &new).await? {
        return Err(RightsError::Taken);
    }
    if let Some(admin) = roles::by_name(&mut tx, SystemRole::Admin.name()).await? {
        roles::allow(&mut tx, &admin, &new.name, now).await?;
        roles::bump_holders(&mut tx, admin.id, now).await?;
    }
    record(hub, &mut tx, caller, origin, "permission.created", &new).await?;
    tx.commit().await?;
    Ok(new)
}

/// Changes the description of a permission that was made here. Needs `roles:update`.
pub async fn describe_permission(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    id: PermissionId,
    description: &str,
) -> Result<PermissionRow, RightsError> {
    let description = checked_description(description)?;
    let mut tx = hub.store.write().await?;
    administrator(&mut tx, caller, Permission::RolesUpdate).await?;
    let found = custom(&mut tx, id).await?;
    permissions::describe(&mut tx, id, &description).await?;
    record(hub, &mut tx, caller, origin, "permission.updated", &found).await?;
    tx.commit().await?;
    Ok(PermissionRow { description, ..found })
}

/// Deletes a permission that was made here and takes it from every role. Needs `roles:delete`.
pub async fn delete_permission(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    id: PermissionId,
) -> Result<(), RightsError> {
    let mut tx = hub.store.write().await?;
    administrator(&mut tx, caller, Permission::RolesDelete).await?;
    let found = custom(&mut tx, id).await?;
    let mut doors = Vec::new();
    for role in permissions::delete(&mut tx, id).await? {
        roles::bump_holders(&mut tx, role, hub.clock.now()).await?;
        doors.extend(access::doors_of_role(hub, &mut tx, role).await?);
    }
    record(hub, &mut tx, caller, origin, "permission.deleted", &found).await?;
    tx.commit().await?;
    access::forget(hub, doors).await;
    Ok(())
}

async fn administrator(tx: &mut Tx, caller: &Caller, permission: Permission) -> Result<(), RightsError> {
    let authority = Authority::read(tx, caller, permission).await?;
    if authority.is_admin() { Ok(()) } else { Err(RightsError::AboveCaller) }
}

async fn custom(tx: &mut Tx, id: PermissionId) -> Result<PermissionRow, RightsError> {
    let found = permissions::by_id(tx, id).await?.ok_or(RightsError::UnknownPermission)?;
    if is_own(&found.name) { Err(RightsError::System) } else { Ok(found) }
}

async fn record(
    hub: &Hub,
    tx: &mut Tx,
    caller: &Caller,
    origin: &Origin,
    action: &'static str,
    permission: &PermissionRow,
) -> Result<(), RightsError> {
    let event = Event::new(action).by(caller).on("permission", &permission.id.to_string());
    Ok(audit::record(hub, tx, origin, event.details(json!({ "permission": permission.name }))).await?)
}
