//! Who may do what, and who may hand that on. Rules ask here; routes do not.

use hub_store::roles::{self, Role};
use hub_store::{StoreError, users};
use hub_types::{Caller, Credential, Permission, SystemRole, UserId};
use serde_json::json;

use crate::audit::{self, Event};
use crate::{Hub, Origin, access};

/// The caller lacks a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the caller lacks the permission {0}")]
pub struct Denied(pub Permission);

impl Denied {
    /// The permission that was lacking, where that is why something failed.
    pub fn behind(error: &(dyn std::error::Error + 'static)) -> Option<Permission> {
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(Self(permission)) = error.downcast_ref() {
                return Some(*permission);
            }
            cause = error.source();
        }
        None
    }
}

/// Asks the caller for a permission.
pub fn require(caller: &Caller, permission: Permission) -> Result<(), Denied> {
    if caller.may(permission) { Ok(()) } else { Err(Denied(permission)) }
}

/// Why a role is not given or taken.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// The caller lacks `roles:update`.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No such user.
    #[error("no such user")]
    UnknownUser,
    /// No such role.
    #[error("no such role")]
    UnknownRole,
    /// The role stands above the caller or permits what the caller may not do.
    #[error("nobody hands on what they do not have")]
    AboveCaller,
    /// Nobody changes their own roles.
    #[error("own roles cannot be changed")]
    OwnRoles,
    /// The hub would be left without an administrator.
    #[error("the last administrator stays")]
    LastAdmin,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives a user a role; `false` when the user has it already. Needs `roles:update`; nobody grants above their own rank or
/// what they lack.
pub async fn assign_role(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    user: UserId,
    role: &str,
) -> Result<bool, RoleError> {
    let mut tx = hub.store.write().await?;
    let role = checked_role(&mut tx, caller, user, role).await?;
    let by = (caller.credential != Credential::Operator).then_some(caller.user);
    if !roles::assign(&mut tx, user, role.id, by, hub.clock.now()).await? {
        return Ok(false);
    }
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
) -> Result<bool, RoleError> {
    let mut tx = hub.store.write().await?;
    let role = checked_role(&mut tx, caller, user, role).await?;
    roles::lock(&mut tx, role.id).await?;
    if !roles::unassign(&mut tx, user, role.id).await? {
        return Ok(false);
    }
    if role.name == SystemRole::Admin.name() && roles::count_holders(&mut tx, role.id).await? == 0 {
        tx.rollback().await?;
        return Err(RoleError::LastAdmin);
    }
    finish(hub, tx, caller, origin, user, &role, "role.revoked").await?;
    Ok(true)
}

async fn checked_role(tx: &mut hub_store::Tx, caller: &Caller, user: UserId, role: &str) -> Result<Role, RoleError> {
    require(caller, Permission::RolesUpdate)?;
    let operator = caller.credential == Credential::Operator;
    if !operator && caller.user == user {
        return Err(RoleError::OwnRoles);
    }
    if !users::lock(tx, user).await? {
        return Err(RoleError::UnknownUser);
    }
    let role = roles::by_name(tx, role).await?.ok_or(RoleError::UnknownRole)?;
    if !operator {
        let own_rank = roles::list(tx).await?.iter().filter(|r| caller.roles.contains(&r.name)).map(|r| r.rank).max();
        let gives = roles::permissions_of_role(tx, role.id).await?;
        let lacks = gives.iter().any(|permission| !caller.permissions.contains(permission));
        if own_rank.is_none_or(|rank| rank < role.rank) || lacks {
            return Err(RoleError::AboveCaller);
        }
    }
    Ok(role)
}

/// Rights changed: access tokens of the user are void, so that the next one names the new rights.
async fn finish(
    hub: &Hub,
    mut tx: hub_store::Tx,
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
