//! Accounts in the hands of those who look after them, and one's own name. Sign-in, passwords and addresses are `identity`'s.
//!
//! Invariants: nobody changes an account above their own, nor, unless administrator, beside it; nobody switches themselves off; an
//! administrator who can sign in always stays. A change acts within two seconds on every process.

mod change;
mod create;
mod credentials;
mod invitations;
mod list;
pub(crate) mod notices;
mod own;
mod remove;

pub use change::{Change, change};
pub use create::{CreateError, Invite, Invited, NewAccount, create, invite};
pub use credentials::{CredentialError, change_email, mail_reset};
pub use hub_store::user_list::Listed as Account;
pub use hub_store::users::UserStatus;
pub use invitations::{Invitation, invitations, resend_invitation, withdraw_invitation};
pub(crate) use list::account;
pub use list::{Query, Standing, get, list};
pub use own::{own, rename_own};
pub use remove::{remove, restore};
