//! A signed-in person chooses another password. All other devices are signed out; the one in use goes on with new tokens.

use hub_store::sessions as store;
use hub_store::users::{self, User};
use hub_types::Caller;

use super::reset::replace_password;
use super::{HasherError, Password, PasswordError, ProofError, Weakness, notices, policy, proof};
use crate::access::{self, Door};
use crate::audit::{self, Event};
use crate::sessions::{self, IssueError, Tokens};
use crate::{Hub, Origin};

/// A change as asked for.
#[derive(Clone)]
pub struct ChangePassword {
    /// The password in force; required where the account has one (ASVS 6.2.3).
    pub current: Option<String>,
    /// The password wanted.
    pub new: String,
}

/// Why the password stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The owner did not prove who they are.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The new text cannot be a password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The new password is not good enough.
    #[error("the password is too weak")]
    Weak(Vec<Weakness>),
    /// The new password was not hashed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// Tokens could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl From<hub_store::StoreError> for ChangePasswordError {
    fn from(error: hub_store::StoreError) -> Self {
        Self::Issue(error.into())
    }
}

/// Sets the new password, ends all other sessions, voids what was mailed and is still open, and gives new tokens for this session.
pub async fn change_password(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    input: ChangePassword,
) -> Result<Tokens, ChangePasswordError> {
    let session = caller.session().ok_or(ProofError::NeedsSession)?;
    let new = Password::parse(&input.new)?;
    let user = proof::owner(hub, caller, origin, input.current.as_deref()).await?;
    let weak = policy::weaknesses(&new, &user.email);
    if !weak.is_empty() {
        return Err(ChangePasswordError::Weak(weak));
    }
    let hash = hub.passwords.hash(&new).await?;
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    // The proof was given outside this transaction; if anything that voids it happened since, it does not count.
    users::lock(&mut tx, user.id).await?;
    let unchanged = users::by_id(&mut tx, user.id).await?;
    let unchanged = unchanged.filter(|now| now.auth_version == user.auth_version && now.is_usable());
    unchanged.ok_or(ProofError::Wrong)?;
    let ended = replace_password(hub, &mut tx, user.id, &hash, Some(session)).await?;
    let user = users::by_id(&mut tx, user.id).await?.filter(User::is_usable).ok_or(ProofError::Wrong)?;
    if input.current.is_some() {
        store::reauthenticate(&mut tx, session, user.id, now).await?;
    }
    let tokens = sessions::renew(hub, &mut tx, &user, session, origin).await?.ok_or(ProofError::NeedsSession)?;
    let event = Event::new("auth.password_changed").by(caller).on("user", &user.id.to_string()).about(user.id);
    audit::record(hub, &mut tx, origin, event).await?;
    notices::password_changed_here(hub, &mut tx, &user.email).await?;
    tx.commit().await?;
    access::forget(hub, ended.into_iter().chain([Door::Session(session)]).collect()).await;
    Ok(tokens)
}
