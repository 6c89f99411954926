//! Registration. What is asked for waits in a one-time secret that is mailed; the account itself is made when the mailbox is proven.
//!
//! The answer is the same for every address, and so is the work: the password is hashed and one mail is queued in any case.

use hub_store::users::User;
use hub_store::verifications::{self, NewVerification, Purpose};
use hub_store::{StoreError, Tx, users};
use hub_types::{Email, VerificationId, random_digits};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    CODE_DIGITS, HasherError, Password, PasswordError, REGISTRATION_LIFE, Weakness, link_secret, mails, policy,
};
use crate::Hub;
use crate::sessions::sha256;

/// Longest display name, in characters.
const LONGEST_NAME: usize = 100;
/// Registration mails to one address per hour; what exceeds it is silently not sent.
const PER_HOUR: i64 = 6;

/// A registration as asked for.
#[derive(Clone)]
pub struct Register {
    /// The address; the account is made once it is proven.
    pub email: Email,
    /// The password as typed.
    pub password: String,
    /// Display name, may be empty.
    pub name: String,
}

/// Why a registration is refused. None of these depends on whether the address is known.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The operator does not let strangers register.
    #[error("registration is closed")]
    Closed,
    /// The text cannot be a password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The password is not good enough.
    #[error("the password is too weak")]
    Weak(Vec<Weakness>),
    /// The name is too long or has control characters.
    #[error("must have at most 100 characters, none of them control characters")]
    Name,
    /// The password was not hashed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What waits until the mailbox is proven.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pending {
    pub(super) name: String,
    /// None where a provider signs in.
    pub(super) password_hash: Option<String>,
    /// The identity that will open the account, where a provider signs in but does not vouch for the address.
    #[serde(default)]
    pub(super) identity: Option<PendingIdentity>,
}

/// An identity that waits for its address to be proven.
#[derive(Serialize, Deserialize)]
pub(super) struct PendingIdentity {
    pub(super) provider: String,
    pub(super) subject: String,
}

/// Takes a registration. Success says nothing about the address.
pub async fn register(hub: &Hub, input: Register) -> Result<(), RegisterError> {
    if !hub.settings.identity.registration {
        return Err(RegisterError::Closed);
    }
    let name = checked_name(&input.name).ok_or(RegisterError::Name)?;
    let password = Password::parse(&input.password)?;
    let weak = policy::weaknesses(&password, &input.email);
    if !weak.is_empty() {
        return Err(RegisterError::Weak(weak));
    }
    let password_hash = hub.passwords.hash(&password).await?;
    let pending = Pending { name, password_hash: Some(password_hash), identity: None };
    let pending = serde_json::to_value(pending).unwrap_or_default();
    let mut tx = hub.store.write().await?;
    match users::by_email(&mut tx, &input.email).await? {
        Some(user) => tell_owner(hub, &mut tx, &user).await?,
        None => mail_proof(hub, &mut tx, &input.email, &pending, PER_HOUR).await?,
    }
    tx.commit().await?;
    Ok(())
}

/// Mails the proof of an address that a sign-in provider told but does not vouch for. The account is made when it is proven.
pub(crate) async fn mail_proof_of_identity(
    hub: &Hub,
    tx: &mut Tx,
    email: &Email,
    (provider, subject): (&str, &str),
    name: &str,
) -> Result<(), StoreError> {
    let identity = PendingIdentity { provider: provider.to_owned(), subject: subject.to_owned() };
    let name = checked_name(name).unwrap_or_default();
    let pending = Pending { name, password_hash: None, identity: Some(identity) };
    mail_proof(hub, tx, email, &serde_json::to_value(pending).unwrap_or_default(), PER_HOUR).await
}

/// Mails a new code and link for what is pending and voids earlier ones, unless `per_hour` mails went out already.
pub(super) async fn mail_proof(
    hub: &Hub,
    tx: &mut Tx,
    email: &Email,
    pending: &Value,
    per_hour: i64,
) -> Result<(), StoreError> {
    let now = hub.clock.now();
    let recent = verifications::count_since(tx, email, Purpose::Register, now - chrono::Duration::hours(1)).await?;
    if recent >= per_hour {
        return Ok(());
    }
    let (code, secret) = (random_digits(CODE_DIGITS), link_secret());
    let new = NewVerification {
        id: VerificationId::new(&hub.clock),
        purpose: Purpose::Register,
        email,
        user: None,
        secret_hash: &sha256(secret.as_bytes()),
        code_hash: Some(&hub.tokens.code_hash(Purpose::Register.as_str(), email.as_str(), &code)),
        payload: pending,
        at: now,
        expires_at: now + REGISTRATION_LIFE,
    };
    verifications::supersede(tx, email, Purpose::Register, now).await?;
    verifications::insert(tx, &new).await?;
    mails::registration(hub, tx, email, &code, &secret).await
}

async fn tell_owner(hub: &Hub, tx: &mut Tx, user: &User) -> Result<(), StoreError> {
    if user.is_usable() { mails::already_registered(hub, tx, &user.email).await } else { Ok(()) }
}

/// The name without spaces around it; `None` when it is out of bounds.
pub(crate) fn checked_name(name: &str) -> Option<String> {
    let name = name.trim();
    (name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control)).then(|| name.to_owned())
}
