//! Sign-in for a program that has no browser, modelled on the device grant (RFC 8628): the program keeps a secret session id, the person
//! signs in at an address that carries only a hash of it and gets a short code, and both are needed to get in.
//!
//! The session stands in the cache as `session:{hash}`. It is written twice, at the start and at the one sign-in; nothing after that
//! rewrites it, so that no step can bring back what another has taken. That the code was right stands beside it, in a key of its own.

mod confirm;
mod data;
mod start;
mod verify;

use hub_cache::CacheError;
use hub_store::users::User;

pub use confirm::{Confirmed, confirm};
pub use start::{NewDevice, StartedDevice, start};
pub use verify::verify;

use super::{Asker, SignInError, mails};
use crate::Hub;
use data::SessionData;

/// Why a device is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No such provider is configured.
    #[error("no such sign-in provider")]
    UnknownProvider,
    /// The request to remember is too long.
    #[error("must have at most 2000 characters")]
    OriginalRequest,
    /// Unknown session, wrong code, nobody signed in yet, out of tries, expired, used. Deliberately one case.
    #[error("the session or the code is not valid")]
    Invalid,
    /// The cache failed.
    #[error("the cache failed")]
    Cache(#[from] CacheError),
    /// Tokens were not given: a second factor is wanted, or something failed.
    #[error(transparent)]
    SignIn(SignInError),
}

impl From<SignInError> for DeviceError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Cache(error) => Self::Cache(error),
            SignInError::UnknownProvider => Self::UnknownProvider,
            SignInError::Stale | SignInError::Disabled => Self::Invalid,
            error => Self::SignIn(error),
        }
    }
}

/// True while a device of this provider waits for somebody to sign in.
pub(super) async fn waits_for(hub: &Hub, handle: &str, provider: &str) -> Result<bool, DeviceError> {
    let data = SessionData::find(hub, handle).await?;
    Ok(data.is_some_and(|data| data.oauth_provider == provider && data.user_id.is_none()))
}

/// Notes who signed in; gives the code to show, and mails it. One sign-in per session.
pub(super) async fn sign_in(hub: &Hub, handle: &str, user: &User) -> Result<(String, Asker), SignInError> {
    let mut data = SessionData::find(hub, handle).await?.ok_or(SignInError::Stale)?;
    let left = data.left(hub).ok_or(SignInError::Stale)?;
    // Two people at one address: the first one it is.
    if !hub.cache.claim(&format!("session-signed:{handle}"), b"1", left).await? {
        return Err(SignInError::Stale);
    }
    let code = data::new_code();
    data.user_id = Some(user.id);
    data.auth_version = user.auth_version;
    data.verification_code = Some(data::code_hash(hub, handle, &code));
    data.keep(hub, handle, left).await?;
    let mut tx = hub.store.write().await?;
    let shown = data::shown(&code);
    mails::device_code(hub, &mut tx, &user.email, &shown).await?;
    tx.commit().await?;
    let asker = Asker { address: data.metadata.ip_address, user_agent: data.metadata.user_agent };
    Ok((shown, asker))
}
