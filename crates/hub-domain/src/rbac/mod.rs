//! Who may do what, and who may hand that on. Rules ask here; routes do not.
//!
//! Every change of rights (who holds a role, who is switched off) takes one lock first and then reads the rights of whoever asks for it
//! anew, so that two changes at once cannot each rely on what the other takes away.

mod assign;
mod authority;
mod permission;
mod role;

use hub_store::StoreError;
use hub_types::{Caller, Permission};

pub use assign::{assign_role, remove_role, roles_of};
pub(crate) use authority::{Authority, admin_stays, rank_of};
pub use hub_store::permissions::Permission as PermissionRow;
pub use hub_store::roles::{Overview, Role};
pub use permission::{create_permission, delete_permission, describe_permission, is_own, list_permissions};
pub use role::{
    NewRole, PermissionEdit, RoleChange, change_permissions, change_role, create_role, delete_role, get_role,
    list_roles,
};

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

/// Why an account, a role or who holds it is not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// The caller lacks the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The caller's own account was switched off meanwhile.
    #[error("the credential is not valid any more")]
    Unauthenticated,
    /// The account or role stands above the caller, or beside a caller who is no administrator, or permits what the caller may not do.
    #[error("nobody changes what is above them or hands on what they do not have")]
    AboveCaller,
    /// Nobody changes their own rights, or switches themselves off.
    #[error("one's own account is not changed this way")]
    Own,
    /// The hub would be left without an administrator who can sign in.
    #[error("the last administrator stays")]
    LastAdmin,
    /// No such user.
    #[error("no such user")]
    UnknownUser,
    /// No such role, or the user does not hold it.
    #[error("no such role")]
    UnknownRole,
    /// No such permission.
    #[error("no such permission")]
    UnknownPermission,
    /// The hub itself relies on this role or permission as it is.
    #[error("the hub relies on this as it is")]
    System,
    /// The name is taken.
    #[error("the name is taken")]
    Taken,
    /// So many accounts, deleted ones included, hold the role.
    #[error("{0} accounts hold the role")]
    InUse(i64),
    /// There are as many as there may be.
    #[error("there are too many already")]
    TooMany,
    /// A field is out of bounds.
    #[error("{field}: {message}")]
    Invalid {
        /// Which one.
        field: &'static str,
        /// What is allowed.
        message: &'static str,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A name for roles and parts of permissions: 1 to 40 characters of a-z, 0-9, - and _, the first a letter.
fn is_word(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    text.len() <= 40 && text.bytes().all(letter) && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::is_word;

    #[test]
    fn a_word_is_short_plain_and_begins_with_a_letter() {
        assert!(is_word("night-shift_2") && is_word("a"));
        for bad in ["", "2nd", "-a", "Night", "a b", "a,b", "a:b", "ä", &"a".repeat(41)] {
            assert!(!is_word(bad), "{bad}");
        }
    }
}
