//! Proves the mailbox of a registration and makes the account: user, role, identity, credit account and audit row, all or nothing.

use hub_store::users::NewUser;
use hub_store::verifications::{self, Attempt, CodeAttempt, Purpose, Verification};
use hub_store::{StoreError, Tx, roles, users};
use hub_types::{Email, SystemRole, UserId};

use super::register::Pending;
use super::throttle::{Guess, Throttle};
use super::{CODE_DIGITS, CODE_LIFE, CODE_TRIES};
use crate::audit::{self, Event};
use crate::credits;
use crate::sessions::sha256;
use crate::{Hub, Origin};

/// The sign-in identity of an account with a password; its subject is the user's id, which never changes.
pub(crate) const PASSWORD_PROVIDER: &str = "password";

/// What came by mail.
#[derive(Clone)]
pub enum MailboxProof {
    /// The short code; five tries.
    Code {
        /// Where it was mailed.
        email: Email,
        /// Six digits.
        code: String,
    },
    /// The secret of the link.
    Token(String),
}

/// Why a mailbox is not proven.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Wrong, used, expired, out of tries, or the address has an account by now. Deliberately one case.
    #[error("the code or link is not valid")]
    Invalid,
    /// Too many wrong ones.
    #[error("too many attempts")]
    Throttled(std::time::Duration),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the account of a registration whose mailbox is proven. Does not sign in.
pub async fn verify_email(hub: &Hub, origin: &Origin, proof: MailboxProof) -> Result<UserId, VerifyError> {
    let throttle = match &proof {
        MailboxProof::Code { email, .. } => Throttle::new(Guess::Code, Some(email), &origin.address),
        MailboxProof::Token(_) => Throttle::new(Guess::Link, None, &origin.address),
    };
    if let Some(wait) = throttle.refused_for(hub).await {
        return Err(VerifyError::Throttled(wait));
    }
    let mut tx = hub.store.write().await?;
    let consumed = match &proof {
        MailboxProof::Code { email, code } => try_code(hub, &mut tx, email, code).await?,
        MailboxProof::Token(secret) => {
            verifications::consume(&mut tx, Purpose::Register, &sha256(secret.as_bytes()), hub.clock.now()).await?
        }
    };
    let made = match consumed {
        Some(registration) => make(hub, &mut tx, origin, registration).await?,
        None => None,
    };
    // Also when it failed: a wrong try counts only once it is committed.
    tx.commit().await?;
    match made {
        Some(user) => Ok(user),
        None => Err(throttle.count_failure(hub).await.map_or(VerifyError::Invalid, VerifyError::Throttled)),
    }
}

async fn try_code(hub: &Hub, tx: &mut Tx, email: &Email, code: &str) -> Result<Option<Verification>, StoreError> {
    if code.len() != CODE_DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let now = hub.clock.now();
    let attempt = CodeAttempt {
        email,
        purpose: Purpose::Register,
        code_hash: &hub.tokens.code_hash(Purpose::Register.as_str(), email.as_str(), code),
        at: now,
        made_after: now - CODE_LIFE,
        max_attempts: CODE_TRIES,
    };
    Ok(match verifications::try_code(tx, &attempt).await? {
        Attempt::Consumed(registration) => Some(registration),
        Attempt::Wrong | Attempt::Dead => None,
    })
}

async fn make(
    hub: &Hub,
    tx: &mut Tx,
    origin: &Origin,
    registration: Verification,
) -> Result<Option<UserId>, StoreError> {
    let pending: Pending =
        serde_json::from_value(registration.payload).map_err(|_| StoreError::Corrupt("a pending registration"))?;
    let email = &registration.email;
    let new = NewUser {
        id: UserId::new(&hub.clock),
        email,
        name: &pending.name,
        password_hash: pending.password_hash.as_deref(),
        verified: true,
        at: hub.clock.now(),
    };
    if !users::insert(tx, &new).await? {
        return Ok(None);
    }
    furnish(hub, tx, new.id, email, SystemRole::User.name()).await?;
    if let Some(identity) = &pending.identity {
        // Tied elsewhere meanwhile? Then the account opens with a password, which its owner can ask for.
        users::add_identity(tx, new.id, &identity.provider, &identity.subject, Some(email), new.at).await?;
    }
    let event = Event::new("user.registered").by_user(new.id, email).on("user", &new.id.to_string()).about(new.id);
    audit::record(hub, tx, origin, event).await?;
    Ok(Some(new.id))
}

/// What every account has from the start: a role, its identity and a credit account. `false` when there is no such role.
pub(crate) async fn furnish(
    hub: &Hub,
    tx: &mut Tx,
    user: UserId,
    email: &Email,
    role: &str,
) -> Result<bool, StoreError> {
    let now = hub.clock.now();
    let Some(role) = roles::by_name(tx, role).await? else { return Ok(false) };
    roles::assign(tx, user, role.id, None, now).await?;
    users::add_identity(tx, user, PASSWORD_PROVIDER, &user.to_string(), Some(email), now).await?;
    credits::open_account(hub, tx, user).await?;
    Ok(true)
}
