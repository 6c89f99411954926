//! Who may do what, and who may hand that on. Rules ask here; routes do not.
//!
//! Every change of rights (who holds a role, who is switched off) takes one lock first and then reads the rights of whoever asks for it
//! anew, so that two changes at once cannot each rely on what the other takes away.

mod assign;
mod authority;

use hub_store::StoreError;
use hub_types::{Caller, Permission};

pub use assign::{assign_role, remove_role, roles_of};
pub(crate) use authority::{Authority, admin_stays};
pub use hub_store::roles::Role;

/// The caller lacks a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the caller lacks the permission {0}")]
pub struct Denied(pub Permission);

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
