//! What somebody who changes rights may do, read in the transaction of the change and behind the lock that all such changes take.

use hub_store::roles::{self, Role};
use hub_store::users::{self, User};
use hub_store::{StoreError, Tx};
use hub_types::{Caller, Credential, Permission, SystemRole, UserId};

use super::{Denied, RightsError};

/// The rank of somebody without a role: below all of them.
const NO_RANK: i32 = -1;

/// The standing of whoever asks for a change, as the database has it now.
pub(crate) struct Authority {
    /// `None`: the command line, which stands above all.
    user: Option<UserId>,
    rank: i32,
    permissions: Vec<String>,
}

impl Authority {
    /// Takes the lock, reads the caller's standing and asks for a permission. The first thing a change of rights does.
    pub(crate) async fn read(tx: &mut Tx, caller: &Caller, permission: Permission) -> Result<Self, RightsError> {
        super::require(caller, permission)?;
        roles::lock_rights(tx).await?;
        if caller.credential == Credential::Operator {
            return Ok(Self { user: None, rank: i32::MAX, permissions: caller.permissions.to_vec() });
        }
        let mut authority = Self::of(tx, caller.user).await?.ok_or(RightsError::Unauthenticated)?;
        // A key is narrower than its owner.
        authority.permissions.retain(|held| caller.permissions.contains(held));
        authority.require(permission)?;
        Ok(authority)
    }

    /// The standing of a user behind a lock that is held already; `None` where the account cannot be used.
    pub(crate) async fn of(tx: &mut Tx, user: UserId) -> Result<Option<Self>, StoreError> {
        if !users::by_id(tx, user).await?.is_some_and(|user| user.is_usable()) {
            return Ok(None);
        }
        let (rank, permissions) = (rank_of(tx, user).await?, roles::permissions_of(tx, user).await?);
        Ok(Some(Self { user: Some(user), rank, permissions }))
    }

    /// Asks for one more permission.
    pub(crate) fn require(&self, permission: Permission) -> Result<(), Denied> {
        if self.holds(permission.name()) { Ok(()) } else { Err(Denied(permission)) }
    }

    /// True for the command line and for administrators, who may also change their equals.
    pub(crate) const fn is_admin(&self) -> bool {
        self.rank >= SystemRole::Admin.rank()
    }

    /// True for an administrator who may look at the hub as somebody of this rank: never as an equal.
    pub(crate) fn may_impersonate(&self, rank: i32) -> bool {
        self.is_admin() && self.rank > rank && self.holds(Permission::UsersImpersonate.name())
    }

    /// Passes what stands below; an administrator passes equals too.
    pub(crate) const fn check_above(&self, rank: i32) -> Result<(), RightsError> {
        if self.rank > rank || (self.is_admin() && self.rank == rank) { Ok(()) } else { Err(RightsError::AboveCaller) }
    }

    /// The account to be changed, deleted or not: not one's own, and none above. Other writers of a live one wait.
    pub(crate) async fn target(&self, tx: &mut Tx, user: UserId) -> Result<User, RightsError> {
        if self.user == Some(user) {
            return Err(RightsError::Own);
        }
        users::lock(tx, user).await?;
        let found = users::by_id(tx, user).await?.ok_or(RightsError::UnknownUser)?;
        self.check_above(rank_of(tx, user).await?)?;
        Ok(found)
    }

    /// The role, where this person may give and take it: none above their own, and none that permits what they may not do.
    pub(crate) async fn handed_on(&self, tx: &mut Tx, role: &str) -> Result<Role, RightsError> {
        let role = roles::by_name(tx, role).await?.ok_or(RightsError::UnknownRole)?;
        let gives = roles::permissions_of_role(tx, role.id).await?;
        if self.user.is_some() && (role.rank > self.rank || gives.iter().any(|permission| !self.holds(permission))) {
            return Err(RightsError::AboveCaller);
        }
        Ok(role)
    }

    /// The role of a new account. What strangers get by registering, anybody may give who makes accounts.
    pub(crate) async fn first_role(&self, tx: &mut Tx, role: &str) -> Result<Role, RightsError> {
        if role == SystemRole::User.name() {
            return roles::by_name(tx, role).await?.ok_or(RightsError::UnknownRole);
        }
        self.require(Permission::RolesUpdate)?;
        self.handed_on(tx, role).await
    }

    /// True when this person may do it.
    pub(crate) fn holds(&self, permission: &str) -> bool {
        self.user.is_none() || self.permissions.iter().any(|held| held == permission)
    }
}

/// The rank of a user's mightiest role.
pub(crate) async fn rank_of(tx: &mut Tx, user: UserId) -> Result<i32, StoreError> {
    Ok(roles::held_by(tx, user).await?.first().map_or(NO_RANK, |role| role.rank))
}

/// Refuses a change, made in this transaction to somebody with these roles, that left no administrator who can sign in.
pub(crate) async fn admin_stays(tx: &mut Tx, roles_before: &[Role]) -> Result<(), RightsError> {
    let Some(admin) = roles_before.iter().find(|role| role.name == SystemRole::Admin.name()) else { return Ok(()) };
    if roles::count_holders(tx, admin.id).await? == 0 { Err(RightsError::LastAdmin) } else { Ok(()) }
}
