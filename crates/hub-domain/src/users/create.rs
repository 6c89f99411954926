//! An account is made by somebody who looks after accounts: with a password, or by inviting the owner of a mailbox.

use chrono::Duration;
use hub_store::Tx;
use hub_store::users::{self, NewUser};
use hub_store::verifications::{self, NewVerification, Purpose};
use hub_types::{Caller, Credential, Email, Permission, Timestamp, UserId, VerificationId};
use serde_json::json;

use super::Account;
use super::list::account;
use crate::audit::{self, Event};
use crate::identity::{self, HasherError, Password, PasswordError, Weakness};
use crate::rbac::{self, Authority, RightsError};
use crate::sessions::sha256;
use crate::{Hub, Origin};

/// Invitations mailed to one address per hour.
const PER_HOUR: i64 = 6;

/// An account as asked for.
#[derive(Clone)]
pub struct NewAccount {
    /// Its address.
    pub email: Email,
    /// Its first password; the policy of registration.
    pub password: String,
    /// Display name, may be empty.
    pub name: String,
    /// Its role.
    pub role: String,
    /// Whether the maker vouches for the mailbox; without that nobody can sign in with the password.
    pub verified: bool,
}

/// An invitation as asked for.
#[derive(Debug, Clone)]
pub struct Invite {
    /// Who is invited.
    pub email: Email,
    /// Display name, unless the invited person chooses another.
    pub name: String,
    /// The role the account will have.
    pub role: String,
}

/// An invitation under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invited {
    /// Its id; another one each time it is mailed.
    pub id: VerificationId,
    /// Where it was mailed.
    pub email: Email,
    /// The role the account will have.
    pub role: String,
    /// The link works until then.
    pub expires_at: Timestamp,
}

/// Why no account is made and nobody invited.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The maker may not.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// The address has an account, deleted ones included.
    #[error("there is an account with this address")]
    Taken,
    /// The address got as many invitations as it may in an hour.
    #[error("too many invitations to this address")]
    TooMany,
    /// The text cannot be a password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The password is not good enough.
    #[error("the password is too weak")]
    Weak(Vec<Weakness>),
    /// The password was not hashed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
}

impl From<hub_store::StoreError> for CreateError {
    fn from(error: hub_store::StoreError) -> Self {
        Self::Rights(error.into())
    }
}

impl From<rbac::Denied> for CreateError {
    fn from(error: rbac::Denied) -> Self {
        Self::Rights(error.into())
    }
}

/// Makes an account. Needs `users:create`, and for another role than `user` what giving that role needs.
pub async fn create(hub: &Hub, caller: &Caller, origin: &Origin, new: NewAccount) -> Result<Account, CreateError> {
    rbac::require(caller, Permission::UsersCreate)?;
    let name = checked_name(&new.name)?;
    let password = Password::parse(&new.password)?;
    let weak = identity::weaknesses(&password, &new.email);
    if !weak.is_empty() {
        return Err(CreateError::Weak(weak));
    }
    let hash = hub.passwords.hash(&password).await?;
    let mut tx = hub.store.write().await?;
    let authority = Authority::read(&mut tx, caller, Permission::UsersCreate).await?;
    let role = authority.first_role(&mut tx, &new.role).await?;
    let id = UserId::new(&hub.clock);
    let row = NewUser {
        id,
        email: &new.email,
        name: &name,
        password_hash: Some(&hash),
        verified: new.verified,
        at: hub.clock.now(),
    };
    if !users::insert(&mut tx, &row).await? {
        return Err(CreateError::Taken);
    }
    identity::furnish(hub, &mut tx, id, &new.email, &role.name).await?;
    let event = Event::new("user.created").by(caller).on("user", &id.to_string()).about(id);
    audit::record(hub, &mut tx, origin, event.details(json!({ "role": role.name }))).await?;
    let made = account(&mut tx, id).await?.ok_or(RightsError::UnknownUser)?;
    tx.commit().await?;
    Ok(made)
}

/// Mails a link with which the owner of the mailbox makes the account; an earlier one stops working. The same needs as [`create`], asked
/// again when the invitation is accepted.
pub async fn invite(hub: &Hub, caller: &Caller, origin: &Origin, new: Invite) -> Result<Invited, CreateError> {
    let name = checked_name(&new.name)?;
    let mut tx = hub.store.write().await?;
    let authority = Authority::read(&mut tx, caller, Permission::UsersCreate).await?;
    let invited = mail_invitation(hub, &mut tx, (caller, origin), &authority, Invite { name, ..new }).await?;
    tx.commit().await?;
    Ok(invited)
}

/// Stores an invitation in place of an earlier one to the same address, and mails it.
pub(super) async fn mail_invitation(
    hub: &Hub,
    tx: &mut Tx,
    (caller, origin): (&Caller, &Origin),
    authority: &Authority,
    new: Invite,
) -> Result<Invited, CreateError> {
    let now = hub.clock.now();
    let role = authority.first_role(tx, &new.role).await?;
    if users::by_email(tx, &new.email).await?.is_some() {
        return Err(CreateError::Taken);
    }
    if verifications::count_since(tx, &new.email, Purpose::Invite, now - Duration::hours(1)).await? >= PER_HOUR {
        return Err(CreateError::TooMany);
    }
    let secret = identity::link_secret();
    let by = (caller.credential != Credential::Operator).then_some(caller.user);
    let id = VerificationId::new(&hub.clock);
    let row = NewVerification {
        id,
        purpose: Purpose::Invite,
        email: &new.email,
        user: None,
        secret_hash: &sha256(secret.as_bytes()),
        code_hash: None,
        payload: &json!({ "name": new.name, "role": role.name, "by": by }),
        at: now,
        expires_at: now + Duration::days(hub.settings.identity.invite_days),
    };
    verifications::supersede(tx, &new.email, Purpose::Invite, now).await?;
    verifications::insert(tx, &row).await?;
    identity::mails::invitation(hub, tx, &new.email, &secret).await?;
    let event = Event::new("user.invited").by(caller).on("invite", &id.to_string());
    audit::record(hub, tx, origin, event.details(json!({ "email": new.email, "role": role.name }))).await?;
    let expires_at = row.expires_at;
    Ok(Invited { id, email: new.email, role: role.name, expires_at })
}

fn checked_name(name: &str) -> Result<String, RightsError> {
    identity::checked_name(name).ok_or(RightsError::Invalid { field: "name", message: super::change::NAME })
}
