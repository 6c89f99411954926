//! Sign-in with a password and, where the account has one, a second factor. Every failure looks the same and costs the same: unknown
//! address, wrong password, disabled account. That a second factor is required is told only after the right password.

use std::time::Duration;

use hub_store::users::{self, User};
use hub_store::{StoreError, Tx};
use hub_types::Email;

use super::factor::{self, Second};
use super::throttle::{Guess, Throttle};
use super::{FactorError, HasherError, Password, PasswordError, Verdict, stuffing};
use crate::access::{self, Door};
use crate::audit::{self, Event};
use crate::sealing::SealError;
use crate::sessions::{self, IssueError, Tokens};
use crate::{Hub, Origin};

/// A sign-in as asked for.
#[derive(Clone)]
pub struct Login {
    /// The address.
    pub email: Email,
    /// The password as typed.
    pub password: String,
    /// A code of the authenticator app, or a recovery code; not looked at for accounts without a second factor.
    pub totp: Option<String>,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Unknown, wrong or disabled. Deliberately one case.
    #[error("the e-mail address or the password is wrong")]
    Invalid,
    /// The text cannot be a password; nothing was computed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The password is right, and the account has a second factor: it is missing, wrong or was used.
    #[error("the second factor is required")]
    SecondFactor {
        /// True when there was a code, and it was not right.
        wrong: bool,
    },
    /// The second factor cannot be checked: the sealing secret was changed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Too many failures; nothing was checked, or the check does not count.
    #[error("too many failed sign-ins")]
    Throttled(Duration),
    /// The password was not checked.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// Tokens could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        Self::Issue(error.into())
    }
}

/// Opens a session for whoever knows the password.
pub async fn login(hub: &Hub, origin: &Origin, input: Login) -> Result<Tokens, LoginError> {
    let password = Password::parse(&input.password)?;
    let throttle = Throttle::new(Guess::SignIn, Some(&input.email), &origin.address);
    if let Some(wait) = throttle.refused_for(hub).await {
        return Err(LoginError::Throttled(wait));
    }
    let user = find(hub, &input.email).await?;
    let Some((user, outdated)) = check(hub, user.as_ref(), &password).await? else {
        note_failure(hub, origin, &input.email, user.as_ref()).await?;
        let wait = throttle.count_failure(hub).await;
        let wait = wait.max(stuffing::note(hub, &origin.address, &input.email, &password).await);
        return Err(wait.map_or(LoginError::Invalid, LoginError::Throttled));
    };
    // Guesses sent at once were all let through above; the ones that failed meanwhile count against this one too.
    if let Some(wait) = throttle.refused_for(hub).await {
        return Err(LoginError::Throttled(wait));
    }
    let newer = if outdated { Some(hub.passwords.hash(&password).await?) } else { None };
    let factors = factor::throttle(&user.email, origin);
    if let (Some(_), Some(wait)) = (&input.totp, factors.refused_for(hub).await) {
        return Err(LoginError::Throttled(wait));
    }
    let opened = open(hub, origin, user, newer.as_deref(), (&factors, input.totp.as_deref())).await;
    if let Err(LoginError::SecondFactor { wrong: true }) = opened {
        let wait = factor::count_wrong(hub, origin, user, &factors).await?;
        return Err(wait.map_or(LoginError::SecondFactor { wrong: true }, LoginError::Throttled));
    }
    opened
}

async fn find(hub: &Hub, email: &Email) -> Result<Option<User>, StoreError> {
    let mut tx = hub.store.read().await?;
    users::by_email(&mut tx, email).await
}

/// The user and whether the hash is outdated, if the password is right and the account may be used.
async fn check<'a>(
    hub: &Hub,
    user: Option<&'a User>,
    password: &Password,
) -> Result<Option<(&'a User, bool)>, HasherError> {
    let Some((user, stored)) = user.and_then(|user| Some((user, user.password_hash.as_deref()?))) else {
        hub.passwords.verify_nobody(password).await?;
        return Ok(None);
    };
    let verdict = hub.passwords.verify(password, stored).await?;
    let right = verdict != Verdict::Mismatch && user.is_usable() && user.verified;
    Ok(right.then_some((user, verdict == Verdict::MatchOutdated)))
}

async fn note_failure(hub: &Hub, origin: &Origin, email: &Email, user: Option<&User>) -> Result<(), StoreError> {
    let mut event = Event::new("auth.login_failed").failed().tried_as(email);
    if let Some(user) = user {
        event = event.on("user", &user.id.to_string()).about(user.id);
    }
    let mut tx = hub.store.write().await?;
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await
}

async fn open(
    hub: &Hub,
    origin: &Origin,
    user: &User,
    newer_hash: Option<&str>,
    (factors, code): (&Throttle, Option<&str>),
) -> Result<Tokens, LoginError> {
    let mut tx: Tx = hub.store.write().await?;
    // The password was checked outside this transaction; if anything that voids it happened since, it does not count.
    let unchanged = users::by_id(&mut tx, user.id).await?.filter(|now| now.auth_version == user.auth_version);
    let user = unchanged.filter(User::is_usable).ok_or(LoginError::Invalid)?;
    match factor::use_up(hub, &mut tx, &user, code).await.map_err(from_factor)? {
        Second::NotAsked => {}
        Second::Missing => return Err(LoginError::SecondFactor { wrong: false }),
        Second::Wrong => return Err(LoginError::SecondFactor { wrong: true }),
        // Codes sent at once were all let through before; the ones that failed meanwhile count against this one too.
        Second::Right => {
            if let Some(wait) = factors.refused_for(hub).await {
                return Err(LoginError::Throttled(wait));
            }
        }
    }
    if let (Some(newer), Some(stored)) = (newer_hash, user.password_hash.as_deref()) {
        users::rehash(&mut tx, user.id, stored, newer, hub.clock.now()).await?;
    }
    let opened = sessions::open(hub, &mut tx, &user, origin).await?;
    users::touch_login(&mut tx, user.id, hub.clock.now()).await?;
    let event = Event::new("auth.login").by_user(user.id, &user.email).on("session", &opened.session.to_string());
    audit::record(hub, &mut tx, origin, event.about(user.id)).await?;
    tx.commit().await?;
    access::forget(hub, opened.ended.into_iter().map(Door::Session).collect()).await;
    Ok(opened.tokens)
}

fn from_factor(error: FactorError) -> LoginError {
    match error {
        FactorError::Seal(error) => error.into(),
        FactorError::Store(error) => error.into(),
        // Checking a code gives only the two above.
        FactorError::Throttled(wait) => LoginError::Throttled(wait),
        FactorError::Proof(_) | FactorError::On | FactorError::Off | FactorError::Wrong => LoginError::Invalid,
    }
}
