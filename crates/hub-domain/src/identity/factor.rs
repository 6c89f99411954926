//! The second factor of an account: a code of an authenticator app, or one of ten recovery codes.
//!
//! Each code works once: it is used up by a guarded statement in the transaction of what it allows, never by a read before.

use std::time::Duration;

use hub_store::users::User;
use hub_store::{StoreError, Tx, totp as store};
use hub_types::{Caller, Email, UserId, random_bytes};

use super::throttle::{Guess, Throttle};
use super::{ProofError, notices, proof, recovery, totp};
use crate::audit::{self, Event};
use crate::sealing::SealError;
use crate::{Hub, Origin};

/// Why the second factor is not changed, or does not count.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// The owner did not prove who they are.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The account has a second factor already.
    #[error("a second factor is in force already")]
    On,
    /// There is none, or its making was not begun.
    #[error("there is no second factor")]
    Off,
    /// Wrong, too old or used.
    #[error("the code is wrong or was used")]
    Wrong,
    /// Too many wrong codes.
    #[error("too many wrong codes")]
    Throttled(Duration),
    /// The secret does not open: the sealing secret was changed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What goes into an authenticator app. Shown once.
#[derive(Clone)]
pub struct TotpStart {
    /// The secret in base32, for typing.
    pub secret: String,
    /// The same as a URL, for a picture to scan.
    pub otpauth_url: String,
}

/// Where the second factor of an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TotpStatus {
    /// True when sign-in asks for it.
    pub enabled: bool,
    /// Unused recovery codes.
    pub recovery_codes_left: i64,
}

/// What a code came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Second {
    /// The account has no second factor.
    NotAsked,
    /// It has one, and no code was given.
    Missing,
    /// It has one, and this is not it.
    Wrong,
    /// Right, and used up once the transaction commits.
    Right,
}

/// Whether a second factor is in force, for its owner.
pub async fn totp_status(hub: &Hub, caller: &Caller) -> Result<TotpStatus, FactorError> {
    caller.session().ok_or(ProofError::NeedsSession)?;
    let mut tx = hub.store.read().await?;
    let enabled = store::of(&mut tx, caller.user).await?.is_some_and(|totp| totp.confirmed_at.is_some());
    Ok(TotpStatus { enabled, recovery_codes_left: store::recovery_codes_left(&mut tx, caller.user).await? })
}

/// Begins a second factor; it is asked for only after [`confirm_totp`]. Beginning again replaces what was not confirmed.
pub async fn start_totp(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    password: Option<&str>,
) -> Result<TotpStart, FactorError> {
    let user = proof::owner(hub, caller, origin, password).await?;
    let secret = random_bytes::<{ totp::SECRET }>();
    let sealed = hub.sealer.seal(&context(user.id), &secret)?;
    let mut tx = hub.store.write().await?;
    if !store::begin(&mut tx, user.id, &sealed, hub.clock.now()).await? {
        return Err(FactorError::On);
    }
    tx.commit().await?;
    let product = &hub.settings.identity.product;
    Ok(TotpStart {
        secret: totp::base32(&secret),
        otpauth_url: totp::otpauth_url(product, user.email.as_str(), &secret),
    })
}

/// Puts the second factor in force, once a code shows that its owner has it; gives the recovery codes, which are never shown again.
pub async fn confirm_totp(hub: &Hub, caller: &Caller, origin: &Origin, code: &str) -> Result<Vec<String>, FactorError> {
    caller.session().ok_or(ProofError::NeedsSession)?;
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    let begun = store::of(&mut tx, caller.user).await?.ok_or(FactorError::Off)?;
    if begun.confirmed_at.is_some() {
        return Err(FactorError::On);
    }
    let secret = hub.sealer.open(&context(caller.user), &begun.secret_sealed)?;
    let step = totp::digits(code).and_then(|code| totp::matching_step(&secret, &code, now));
    let step = step.ok_or(FactorError::Wrong)?;
    if !store::confirm(&mut tx, caller.user, &begun.secret_sealed, step, now).await? {
        return Err(FactorError::Wrong);
    }
    let codes = recovery::make();
    let hashes: Vec<[u8; 32]> = codes.iter().filter_map(|code| recovery::hash(caller.user, code)).collect();
    store::set_recovery_codes(&mut tx, caller.user, &hashes, now).await?;
    let event = Event::new("auth.totp_enabled").by(caller).on("user", &caller.user.to_string());
    audit::record(hub, &mut tx, origin, event.about(caller.user)).await?;
    notices::factor_on(hub, &mut tx, &caller.email).await?;
    tx.commit().await?;
    Ok(codes)
}

/// Takes the second factor away. Needs the password and a code of it, or a recovery code.
pub async fn remove_totp(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    password: Option<&str>,
    code: &str,
) -> Result<(), FactorError> {
    let user = proof::owner(hub, caller, origin, password).await?;
    let throttle = throttle(&user.email, origin);
    if let Some(wait) = throttle.refused_for(hub).await {
        return Err(FactorError::Throttled(wait));
    }
    let mut tx = hub.store.write().await?;
    match use_up(hub, &mut tx, &user, Some(code)).await? {
        Second::NotAsked => return Err(FactorError::Off),
        Second::Missing | Second::Wrong => {
            drop(tx);
            let wait = count_wrong(hub, origin, &user, &throttle).await?;
            return Err(wait.map_or(FactorError::Wrong, FactorError::Throttled));
        }
        Second::Right => {}
    }
    take_away(hub, &mut tx, origin, &user, Event::new("auth.totp_disabled").by(caller)).await?;
    tx.commit().await?;
    Ok(())
}

/// Takes the factor away in the caller's transaction and tells the owner; `false` when there was none.
pub(super) async fn take_away(
    hub: &Hub,
    tx: &mut Tx,
    origin: &Origin,
    user: &User,
    event: Event,
) -> Result<bool, StoreError> {
    if !store::remove(tx, user.id).await? {
        return Ok(false);
    }
    audit::record(hub, tx, origin, event.on("user", &user.id.to_string()).about(user.id)).await?;
    notices::factor_off(hub, tx, &user.email).await?;
    Ok(true)
}

/// Checks a code in the caller's transaction and uses it up. Six digits are a code of the app, anything else a recovery code.
pub(crate) async fn use_up(hub: &Hub, tx: &mut Tx, user: &User, code: Option<&str>) -> Result<Second, FactorError> {
    let Some(totp) = store::of(tx, user.id).await?.filter(|totp| totp.confirmed_at.is_some()) else {
        return Ok(Second::NotAsked);
    };
    let now = hub.clock.now();
    let Some(code) = code else { return Ok(Second::Missing) };
    let right = if let Some(code) = totp::digits(code) {
        let secret = hub.sealer.open(&context(user.id), &totp.secret_sealed)?;
        match totp::matching_step(&secret, &code, now) {
            Some(step) => store::use_step(tx, user.id, step).await?,
            None => false,
        }
    } else {
        match recovery::hash(user.id, code) {
            Some(hash) if store::use_recovery_code(tx, user.id, &hash, now).await? => {
                let left = store::recovery_codes_left(tx, user.id).await?;
                notices::recovery_code_used(hub, tx, &user.email, left).await?;
                true
            }
            _ => false,
        }
    };
    Ok(if right { Second::Right } else { Second::Wrong })
}

/// Notes and counts a wrong code; gives the wait when there were too many. Whoever sends one knows the password, so the owner is told.
pub(crate) async fn count_wrong(
    hub: &Hub,
    origin: &Origin,
    user: &User,
    throttle: &Throttle,
) -> Result<Option<Duration>, StoreError> {
    let wait = throttle.count_failure(hub).await;
    let mut tx = hub.store.write().await?;
    let event = Event::new("auth.totp_failed").failed().tried_as(&user.email).on("user", &user.id.to_string());
    audit::record(hub, &mut tx, origin, event.about(user.id)).await?;
    if wait.is_some() {
        notices::factor_guessed(hub, &mut tx, &user.email).await?;
    }
    tx.commit().await?;
    Ok(wait)
}

/// The throttle of second factors of this account.
pub(crate) fn throttle(email: &Email, origin: &Origin) -> Throttle {
    Throttle::new(Guess::Factor, Some(email), &origin.address)
}

fn context(user: UserId) -> String {
    format!("totp:{user}")
}
