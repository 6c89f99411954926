//! Roles are made, changed and deleted, within what their maker may do. The four that every hub has keep name and rank, and `admin` keeps
//! every permission.
//!
//! A change of what a role permits voids the access tokens of everybody who holds it, and the cached pictures of those who
//! were here lately are thrown away; the rest run out within two seconds.

use hub_store::roles::{self, Overview, Role};
use hub_store::{Tx, permissions};
use hub_types::{Caller, Permission, RoleId, SystemRole};
use serde_json::json;

use super::authority::Authority;
use super::{RightsError, require};
use crate::audit::{self, Event};
use crate::{Hub, Origin, access};

/// Roles made here, at most.
const MOST: i64 = 200;
/// Permissions named in one request, at most.
const MOST_NAMED: usize = 1000;
/// Longest description, in characters.
const LONGEST: usize = 300;

/// A role as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRole {
    /// 1 to 40 characters of a-z, 0-9, - and _, beginning with a letter.
    pub name: String,
    /// One line for lists; at most 300 characters.
    pub description: String,
    /// Place in the hierarchy, 0 to 99; below the maker's own.
    pub rank: i32,
    /// Names of what it permits; none that the maker lacks.
    pub permissions: Vec<String>,
}

/// What is to be different about a role; what is not given stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleChange {
    /// Another name; not for system roles.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Another rank; not for system roles.
    pub rank: Option<i32>,
}

/// How the permissions of a role change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionEdit {
    /// These and no others.
    Replace(Vec<String>),
    /// These too.
    Add(Vec<String>),
    /// Not this one.
    Remove(String),
}

/// All roles, mightiest first. Needs `roles:read`.
pub async fn list_roles(hub: &Hub, caller: &Caller) -> Result<Vec<Overview>, RightsError> {
    require(caller, Permission::RolesRead)?;
    let mut tx = hub.store.read().await?;
    Ok(roles::overview(&mut tx).await?)
}

/// One role. Needs `roles:read`.
pub async fn get_role(hub: &Hub, caller: &Caller, id: RoleId) -> Result<Overview, RightsError> {
    require(caller, Permission::RolesRead)?;
    let mut tx = hub.store.read().await?;
    roles::overview_of(&mut tx, id).await?.ok_or(RightsError::UnknownRole)
}

/// Makes a role. Needs `roles:create`.
pub async fn create_role(hub: &Hub, caller: &Caller, origin: &Origin, new: NewRole) -> Result<Overview, RightsError> {
    let now = hub.clock.now();
    let role = Role {
        id: RoleId::new(&hub.clock),
        name: checked_name(new.name)?,
        description: checked_description(&new.description)?,
        is_system: false,
        rank: checked_rank(new.rank)?,
    };
    let mut tx = hub.store.write().await?;
    let authority = Authority::read(&mut tx, caller, Permission::RolesCreate).await?;
    authority.check_above(role.rank)?;
    check_permissions(&mut tx, &authority, &new.permissions).await?;
    if roles::count_custom(&mut tx).await? >= MOST {
        return Err(RightsError::TooMany);
    }
    if !roles::insert(&mut tx, &role, now).await? {
        return Err(RightsError::Taken);
    }
    for permission in &new.permissions {
        roles::allow(&mut tx, &role, permission, now).await?;
    }
    let details = json!({ "role": role.name, "rank": role.rank, "added": new.permissions });
    finish(hub, tx, origin, about(caller, "role.created", &role), details, role.id).await
}

/// Changes name, description or rank. Needs `roles:update`.
pub async fn change_role(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    id: RoleId,
    change: RoleChange,
) -> Result<Overview, RightsError> {
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    let (authority, old) = editable(&mut tx, caller, Permission::RolesUpdate, id).await?;
    let mut role = old.clone();
    if let Some(name) = change.name {
        role.name = checked_name(name)?;
    }
    if let Some(rank) = change.rank {
        role.rank = checked_rank(rank)?;
        authority.check_above(role.rank)?;
    }
    if let Some(description) = change.description {
        role.description = checked_description(&description)?;
    }
    if old.is_system && (role.name != old.name || role.rank != old.rank) {
        return Err(RightsError::System);
    }
    if role.name != old.name {
        // Every change of roles waits for the lock, so nobody takes the name in between.
        if roles::by_name(&mut tx, &role.name).await?.is_some() {
            return Err(RightsError::Taken);
        }
        roles::bump_holders(&mut tx, id, now).await?;
    }
    roles::update(&mut tx, &role, now).await?;
    let details = json!({ "role": role.name, "rank": role.rank, "before": { "role": old.name, "rank": old.rank } });
    finish(hub, tx, origin, about(caller, "role.updated", &role), details, id).await
}

/// Changes what a role permits. Needs `roles:update`; nobody adds what they lack, and `admin` keeps everything.
pub async fn change_permissions(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    id: RoleId,
    edit: PermissionEdit,
) -> Result<Overview, RightsError> {
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    let (authority, role) = editable(&mut tx, caller, Permission::RolesUpdate, id).await?;
    let held = roles::permissions_of_role(&mut tx, id).await?;
    let (wanted, unwanted): (Vec<String>, Vec<String>) = match edit {
        PermissionEdit::Replace(names) => {
            let gone = held.iter().filter(|name| !names.contains(name)).cloned().collect();
            (names, gone)
        }
        PermissionEdit::Add(names) => (names, Vec::new()),
        PermissionEdit::Remove(name) if held.contains(&name) => (Vec::new(), vec![name]),
        PermissionEdit::Remove(_) => return Err(RightsError::UnknownPermission),
    };
    let added: Vec<String> = wanted.into_iter().filter(|name| !held.contains(name)).collect();
    check_permissions(&mut tx, &authority, &added).await?;
    if role.name == SystemRole::Admin.name() && !unwanted.is_empty() {
        return Err(RightsError::System);
    }
    for name in &unwanted {
        roles::deny(&mut tx, id, name).await?;
    }
    for name in &added {
        roles::allow(&mut tx, &role, name, now).await?;
    }
    if added.is_empty() && unwanted.is_empty() {
        return roles::overview_of(&mut tx, id).await?.ok_or(RightsError::UnknownRole);
    }
    roles::bump_holders(&mut tx, id, now).await?;
    let details = json!({ "role": role.name, "added": added, "removed": unwanted });
    finish(hub, tx, origin, about(caller, "role.updated", &role), details, id).await
}

/// Deletes a role that nobody holds. Needs `roles:delete`.
pub async fn delete_role(hub: &Hub, caller: &Caller, origin: &Origin, id: RoleId) -> Result<(), RightsError> {
    let mut tx = hub.store.write().await?;
    let (_, role) = editable(&mut tx, caller, Permission::RolesDelete, id).await?;
    if role.is_system {
        return Err(RightsError::System);
    }
    let holders = roles::overview_of(&mut tx, id).await?.map_or(0, |found| found.holders);
    if holders > 0 || !roles::delete(&mut tx, id).await? {
        return Err(RightsError::InUse(holders));
    }
    let event = about(caller, "role.deleted", &role).details(json!({ "role": role.name }));
    audit::record(hub, &mut tx, origin, event).await?;
    Ok(tx.commit().await?)
}

/// The role, where it stands below the caller; an administrator changes every one.
async fn editable(
    tx: &mut Tx,
    caller: &Caller,
    permission: Permission,
    id: RoleId,
) -> Result<(Authority, Role), RightsError> {
    let authority = Authority::read(tx, caller, permission).await?;
    let role = roles::by_id(tx, id).await?.ok_or(RightsError::UnknownRole)?;
    authority.check_above(role.rank)?;
    Ok((authority, role))
}

/// Every one must exist, and be the giver's own to give.
async fn check_permissions(tx: &mut Tx, authority: &Authority, names: &[String]) -> Result<(), RightsError> {
    let wrong = |message| RightsError::Invalid { field: "permissions", message };
    if names.len() > MOST_NAMED {
        return Err(wrong("must have at most 1000 entries"));
    }
    for name in names {
        if !permissions::is_known(tx, name).await? {
            return Err(wrong("must be names of permissions"));
        }
        if !authority.holds(name) {
            return Err(RightsError::AboveCaller);
        }
    }
    Ok(())
}

fn about(caller: &Caller, action: &'static str, role: &Role) -> Event {
    Event::new(action).by(caller).on("role", &role.id.to_string())
}

async fn finish(
    hub: &Hub,
    mut tx: Tx,
    origin: &Origin,
    event: Event,
    details: serde_json::Value,
    id: RoleId,
) -> Result<Overview, RightsError> {
    audit::record(hub, &mut tx, origin, event.details(details)).await?;
    let found = roles::overview_of(&mut tx, id).await?.ok_or(RightsError::UnknownRole)?;
    let doors = access::doors_of_role(hub, &mut tx, id).await?;
    tx.commit().await?;
    access::forget(hub, doors).await;
    Ok(found)
}

fn checked_name(name: String) -> Result<String, RightsError> {
    let message = "must have 1 to 40 characters of a-z, 0-9, - and _, the first a letter";
    if super::is_word(&name) { Ok(name) } else { Err(RightsError::Invalid { field: "name", message }) }
}

/// 100 is the administrator's, and nobody stands beside them.
fn checked_rank(rank: i32) -> Result<i32, RightsError> {
    let fits = (0..SystemRole::Admin.rank()).contains(&rank);
    if fits { Ok(rank) } else { Err(RightsError::Invalid { field: "rank", message: "must be 0 to 99" }) }
}

pub(super) fn checked_description(text: &str) -> Result<String, RightsError> {
    let text = text.trim();
    let message = "must have at most 300 characters, none of them control characters";
    let fits = text.chars().count() <= LONGEST && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(RightsError::Invalid { field: "description", message }) }
}
