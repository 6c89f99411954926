//! The last step of a browser: the one-time code from the fragment becomes a session. The code works once, for five minutes (time to type a
//! second factor), and only in the browser that signed in; so what stays in its history is worth nothing.

use std::time::Duration;

use hub_cache::CacheError;
use hub_store::users::{self, User};
use hub_types::UserId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::attempt::Browser;
use super::{SignInError, is_secret, secret};
use crate::access::{self, Door};
use crate::audit::{self, Event};
use crate::identity::factor::{self, Second};
use crate::sessions::{self, Tokens};
use crate::{Hub, Origin};

const LIFE: Duration = Duration::from_mins(5);

/// Somebody a provider has just signed in.
#[derive(Serialize, Deserialize)]
struct SignedIn {
    user: UserId,
    auth_version: i64,
    provider: String,
}

/// Makes the code.
pub(super) async fn issue(hub: &Hub, browser: &Browser, user: &User, provider: &str) -> Result<String, SignInError> {
    let code = secret();
    let signed_in = SignedIn { user: user.id, auth_version: user.auth_version, provider: provider.to_owned() };
    hub.cache.put_json(&browser.slot("oauth-exchange", &code), &signed_in, LIFE).await?;
    Ok(code)
}

/// Opens a session for the code. Of any number of attempts one wins. An account with a second factor wants it here too; until it is right
/// the code lives on.
pub async fn exchange(
    hub: &Hub,
    origin: &Origin,
    browser: Option<&Browser>,
    code: &str,
    totp: Option<&str>,
) -> Result<Tokens, SignInError> {
    let browser = browser.filter(|_| is_secret(code)).ok_or(SignInError::Stale)?;
    let slot = browser.slot("oauth-exchange", code);
    let signed_in: Option<SignedIn> = hub.cache.get_json(&slot).await?;
    let SignedIn { user, auth_version, provider } = signed_in.ok_or(SignInError::Stale)?;
    let entry = Entry { user, auth_version, provider: &provider, way: "browser", totp };
    open(hub, origin, entry, async { Ok(hub.cache.take(&slot).await?.is_some()) }).await
}

/// Somebody a provider has signed in, about to come in.
pub(super) struct Entry<'a> {
    pub(super) user: UserId,
    /// As it was then: whatever voided access tokens since voids this too.
    pub(super) auth_version: i64,
    pub(super) provider: &'a str,
    pub(super) way: &'static str,
    /// The second factor, as typed.
    pub(super) totp: Option<&'a str>,
}

/// Opens a session. `redeem` uses up what was shown, in one step; it is asked last, when nothing else can refuse.
pub(super) async fn open(
    hub: &Hub,
    origin: &Origin,
    entry: Entry<'_>,
    redeem: impl Future<Output = Result<bool, CacheError>>,
) -> Result<Tokens, SignInError> {
    let mut tx = hub.store.write().await?;
    let user = users::by_id(&mut tx, entry.user).await?.filter(|user| user.auth_version == entry.auth_version);
    let user = user.ok_or(SignInError::Stale)?;
    if !user.is_usable() {
        return Err(SignInError::Disabled);
    }
    let throttle = factor::throttle(&user.email, origin);
    match factor::use_up(hub, &mut tx, &user, entry.totp).await? {
        Second::NotAsked => {}
        Second::Missing => return Err(SignInError::SecondFactor { wrong: false }),
        Second::Wrong => {
            tx.rollback().await?;
            let wait = factor::count_wrong(hub, origin, &user, &throttle).await?;
            return Err(wait.map_or(SignInError::SecondFactor { wrong: true }, SignInError::Throttled));
        }
        Second::Right => {
            if let Some(wait) = throttle.refused_for(hub).await {
                return Err(SignInError::Throttled(wait));
            }
        }
    }
    if !redeem.await? {
        return Err(SignInError::Stale);
    }
    let opened = sessions::open(hub, &mut tx, &user, origin).await?;
    users::touch_login(&mut tx, user.id, hub.clock.now()).await?;
    let event = Event::new("oauth.signed_in").by_user(user.id, &user.email).on("session", &opened.session.to_string());
    let details = json!({ "provider": entry.provider, "way": entry.way });
    audit::record(hub, &mut tx, origin, event.about(user.id).details(details)).await?;
    tx.commit().await?;
    access::forget(hub, opened.ended.into_iter().map(Door::Session).collect()).await;
    Ok(opened.tokens)
}
