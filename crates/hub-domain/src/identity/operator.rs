//! What the operator at the machine may do with accounts. Not reachable over HTTP: the command line vouches for the mailbox.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_store::users::{self, NewUser, User};
use hub_store::{StoreError, roles};
use hub_types::{Caller, Email, Permission, SystemRole, UserId, random_bytes};
use serde_json::json;

use super::register::checked_name;
use super::reset::replace_password;
use super::verify_email::furnish;
use super::{HasherError, Password, PasswordError, Weakness, factor, mails, policy};
use crate::audit::{self, Event};
use crate::rbac::{self, Denied};
use crate::{Hub, Origin, access};

/// An account made or given a new password by the operator.
#[derive(Clone)]
pub struct AdminCreated {
    /// The account.
    pub user: UserId,
    /// The password that was made up, to be shown once; `None` where one was given.
    pub password: Option<String>,
}

/// Why the operator's wish is refused.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The caller is not the operator.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The address has an account.
    #[error("there is an account with this address")]
    Taken,
    /// No such account.
    #[error("there is no account with this address")]
    UnknownUser,
    /// No such role.
    #[error("there is no such role")]
    UnknownRole,
    /// The name is out of bounds.
    #[error("the name must have at most 100 characters, none of them control characters")]
    Name,
    /// The text cannot be a password.
    #[error("the password {0}")]
    Password(#[from] PasswordError),
    /// The password is not good enough.
    #[error("the password {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Weak(Vec<Weakness>),
    /// The password was not hashed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a verified account with this role. Without a password one is made up and given back.
pub async fn admin_create_user(
    hub: &Hub,
    operator: &Caller,
    email: &Email,
    password: Option<&str>,
    role: &str,
    name: &str,
) -> Result<AdminCreated, OperatorError> {
    rbac::require(operator, Permission::UsersCreate)?;
    let name = checked_name(name).ok_or(OperatorError::Name)?;
    let (hash, made_up) = hashed(hub, email, password).await?;
    let mut tx = hub.store.write().await?;
    let new = NewUser {
        id: UserId::new(&hub.clock),
        email,
        name: &name,
        password_hash: Some(&hash),
        verified: true,
        at: hub.clock.now(),
    };
    if !users::insert(&mut tx, &new).await? {
        return Err(OperatorError::Taken);
    }
    if !furnish(hub, &mut tx, new.id, email, role).await? {
        return Err(OperatorError::UnknownRole);
    }
    let event = Event::new("user.created").by(operator).on("user", &new.id.to_string()).about(new.id);
    audit::record(hub, &mut tx, &Origin::default(), event.details(json!({ "role": role }))).await?;
    tx.commit().await?;
    Ok(AdminCreated { user: new.id, password: made_up })
}

/// Sets a new password, signs out all devices and tells the owner. Without a password one is made up and given back.
pub async fn admin_reset_password(
    hub: &Hub,
    operator: &Caller,
    email: &Email,
    password: Option<&str>,
) -> Result<AdminCreated, OperatorError> {
    rbac::require(operator, Permission::UsersUpdate)?;
    let (hash, made_up) = hashed(hub, email, password).await?;
    let mut tx = hub.store.write().await?;
    let user = users::by_email(&mut tx, email).await?.filter(|user| user.deleted_at.is_none());
    let user = user.ok_or(OperatorError::UnknownUser)?;
    let ended = replace_password(hub, &mut tx, user.id, &hash, None).await?;
    let event = Event::new("auth.password_reset").by(operator).on("user", &user.id.to_string()).about(user.id);
    audit::record(hub, &mut tx, &Origin::default(), event).await?;
    mails::password_changed(hub, &mut tx, email).await?;
    tx.commit().await?;
    access::forget(hub, ended).await;
    Ok(AdminCreated { user: user.id, password: made_up })
}

/// Takes the second factor of an account away, for an owner who has lost phone and recovery codes, and tells the owner; `false` when
/// there was none.
pub async fn admin_remove_totp(hub: &Hub, operator: &Caller, email: &Email) -> Result<bool, OperatorError> {
    rbac::require(operator, Permission::UsersUpdate)?;
    let mut tx = hub.store.write().await?;
    let user = users::by_email(&mut tx, email).await?.filter(|user| user.deleted_at.is_none());
    let user = user.ok_or(OperatorError::UnknownUser)?;
    let event = Event::new("auth.totp_disabled").by(operator);
    let removed = factor::take_away(hub, &mut tx, &Origin::default(), &user, event).await?;
    tx.commit().await?;
    Ok(removed)
}

/// The account with this address, deleted or not.
pub async fn find_by_email(hub: &Hub, email: &Email) -> Result<Option<User>, StoreError> {
    let mut tx = hub.store.read().await?;
    users::by_email(&mut tx, email).await
}

/// True when somebody can administer this hub; the embedded hub makes its first administrator where nobody can.
pub async fn has_admin(hub: &Hub) -> Result<bool, StoreError> {
    let mut tx = hub.store.read().await?;
    let Some(admin) = roles::by_name(&mut tx, SystemRole::Admin.name()).await? else { return Ok(false) };
    Ok(roles::count_holders(&mut tx, admin.id).await? > 0)
}

async fn hashed(hub: &Hub, email: &Email, given: Option<&str>) -> Result<(String, Option<String>), OperatorError> {
    // 144 random bits: no policy needed.
    let made_up = given.is_none().then(|| URL_SAFE_NO_PAD.encode(random_bytes::<18>()));
    let password = Password::parse(given.or(made_up.as_deref()).unwrap_or_default())?;
    if given.is_some() {
        let weak = policy::weaknesses(&password, email);
        if !weak.is_empty() {
            return Err(OperatorError::Weak(weak));
        }
    }
    Ok((hub.passwords.hash(&password).await?, made_up))
}
