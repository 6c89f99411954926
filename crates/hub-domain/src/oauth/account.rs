//! Whose account an identity opens. This is where takeovers would happen, so every case is spelled out:
//!
//! | identity | address | account with it | what happens |
//! |---|---|---|---|
//! | known | any | any | its own account, whatever the address says |
//! | new | vouched for | none | a new account; a registration that waits for this address is dropped |
//! | new | vouched for | proven | tied to it, unless another one of this provider is; its owner gets a mail |
//! | new | vouched for | never proven | tied to it after everything that was set up in it is gone |
//! | new | not vouched for | none | nobody is signed in; the mailbox has to be proven first, by mail |
//! | new | not vouched for | any | nobody is signed in; the owner gets a mail and can tie it when signed in |
//! | new | none | – | nobody is signed in |

use hub_clients::oauth::Identity;
use hub_store::users::{NewUser, User};
use hub_store::verifications::Purpose;
use hub_store::{StoreError, Tx, identities, roles, sessions, users, verifications};
use hub_types::{Email, SessionId, SystemRole, UserId};
use serde_json::json;

use super::{SignInError, mails};
use crate::access::{self, Door};
use crate::audit::{self, Event};
use crate::{Hub, Origin, credits, identity as accounts};

/// Two sign-ins of one new person at once: the one that comes second looks again. More rounds than this are a defect.
const ROUNDS: usize = 4;

/// The account this identity opens, made or tied where that is due. Signs nobody in.
pub(super) async fn of_identity(
    hub: &Hub,
    origin: &Origin,
    provider: &str,
    identity: &Identity,
) -> Result<User, SignInError> {
    for _ in 0..ROUNDS {
        if let Some(user) = look(hub, origin, provider, identity).await? {
            return if user.is_usable() { Ok(user) } else { Err(SignInError::Disabled) };
        }
    }
    Err(StoreError::Corrupt("an identity that is neither free nor tied").into())
}

/// One look, in one transaction; `None` when somebody else was faster.
async fn look(hub: &Hub, origin: &Origin, provider: &str, identity: &Identity) -> Result<Option<User>, SignInError> {
    let mut tx = hub.store.write().await?;
    if let Some(owner) = identities::owner(&mut tx, provider, &identity.subject).await? {
        identities::note_email(&mut tx, provider, &identity.subject, identity.email.as_ref()).await?;
        let user = users::by_id(&mut tx, owner).await?;
        tx.commit().await?;
        return Ok(user);
    }
    let email = identity.email.as_ref().ok_or(SignInError::NoAddress)?;
    let present = users::by_email(&mut tx, email).await?;
    if !identity.email_verified {
        ask_for_proof(hub, &mut tx, provider, identity, (email, present.as_ref())).await?;
        tx.commit().await?;
        return Err(SignInError::Unproven);
    }
    match present {
        Some(user) if !user.is_usable() => Err(SignInError::Disabled),
        Some(user) => tie(hub, tx, origin, provider, identity, user).await,
        None => make(hub, tx, origin, provider, identity, email).await,
    }
}

async fn make(
    hub: &Hub,
    mut tx: Tx,
    origin: &Origin,
    provider: &str,
    identity: &Identity,
    email: &Email,
) -> Result<Option<User>, SignInError> {
    if !hub.settings.identity.registration {
        return Err(SignInError::Closed);
    }
    let now = hub.clock.now();
    let id = UserId::new(&hub.clock);
    let new = NewUser { id, email, name: &identity.name, password_hash: None, verified: true, at: now };
    if !users::insert(&mut tx, &new).await? {
        return Ok(None);
    }
    if !users::add_identity(&mut tx, id, provider, &identity.subject, Some(email), now).await? {
        return Ok(None);
    }
    // Whoever waits to register with this address has not proven it; the person who has is here.
    verifications::supersede(&mut tx, email, Purpose::Register, now).await?;
    let role = roles::by_name(&mut tx, SystemRole::User.name()).await?.ok_or(StoreError::Corrupt("the roles"))?;
    roles::assign(&mut tx, id, role.id, None, now).await?;
    credits::open_account(hub, &mut tx, id).await?;
    let event = Event::new("user.registered").by_user(id, email).on("user", &id.to_string()).about(id);
    audit::record(hub, &mut tx, origin, event.details(json!({ "provider": provider }))).await?;
    let user = users::by_id(&mut tx, id).await?;
    tx.commit().await?;
    Ok(user)
}

async fn tie(
    hub: &Hub,
    mut tx: Tx,
    origin: &Origin,
    provider: &str,
    identity: &Identity,
    user: User,
) -> Result<Option<User>, SignInError> {
    let now = hub.clock.now();
    let mut ended = Vec::new();
    if !user.verified {
        ended = access::doors_of(hub, &mut tx, user.id).await?;
        if !identities::claim_unverified(&mut tx, user.id, now).await? {
            return Ok(None);
        }
        let gone = sessions::revoke_all(&mut tx, user.id, None, "claimed", now).await?;
        ended.extend(gone.into_iter().map(Door::Session));
        verifications::void_of(&mut tx, user.id, now).await?;
    }
    verifications::supersede(&mut tx, &user.email, Purpose::Register, now).await?;
    if !add(hub, &mut tx, origin, provider, identity, &user).await? {
        // Tied by a parallel sign-in: look again. Tied to another account there: no silent merge.
        let tied = identities::owner(&mut tx, provider, &identity.subject).await?.is_some();
        return if tied { Ok(None) } else { Err(SignInError::AlreadyLinked) };
    }
    let user = users::by_id(&mut tx, user.id).await?;
    tx.commit().await?;
    access::forget(hub, ended).await;
    Ok(user)
}

/// Ties the identity, and tells the trail and the owner.
async fn add(
    hub: &Hub,
    tx: &mut Tx,
    origin: &Origin,
    provider: &str,
    identity: &Identity,
    user: &User,
) -> Result<bool, StoreError> {
    let (email, now) = (identity.email.as_ref(), hub.clock.now());
    if !users::add_identity(tx, user.id, provider, &identity.subject, email, now).await? {
        return Ok(false);
    }
    let event = Event::new("oauth.linked").by_user(user.id, &user.email).on("identity", provider).about(user.id);
    audit::record(hub, tx, origin, event).await?;
    mails::linked(hub, tx, &user.email, provider).await?;
    Ok(true)
}

/// Ties an identity to the account of somebody who is signed in and asked for it.
pub(super) async fn link(
    hub: &Hub,
    origin: &Origin,
    (user, session): (UserId, SessionId),
    provider: &str,
    identity: &Identity,
) -> Result<(), SignInError> {
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    let lives = |session: &sessions::Session| session.user_id == user && session.is_live(now);
    if !sessions::by_id(&mut tx, session).await?.is_some_and(|session| lives(&session)) {
        return Err(SignInError::Stale);
    }
    let user = users::by_id(&mut tx, user).await?.filter(User::is_usable).ok_or(SignInError::Disabled)?;
    if !add(hub, &mut tx, origin, provider, identity, &user).await? {
        return match identities::owner(&mut tx, provider, &identity.subject).await? {
            Some(owner) if owner == user.id => Ok(()),
            Some(_) => Err(SignInError::Taken),
            None => Err(SignInError::AlreadyLinked),
        };
    }
    tx.commit().await?;
    Ok(())
}

/// The same for the person at the browser whether there is an account or not; only the owner of the mailbox learns more.
async fn ask_for_proof(
    hub: &Hub,
    tx: &mut Tx,
    provider: &str,
    identity: &Identity,
    (email, present): (&Email, Option<&User>),
) -> Result<(), StoreError> {
    match present {
        Some(user) if user.is_usable() => mails::link_yourself(hub, tx, email, provider).await,
        None if hub.settings.identity.registration => {
            accounts::mail_proof_of_identity(hub, tx, email, (provider, &identity.subject), &identity.name).await
        }
        Some(_) | None => Ok(()),
    }
}
