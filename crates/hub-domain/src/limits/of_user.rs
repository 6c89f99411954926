//! Limits of one user, which an administrator sets in place of what the role may. A change acts within two seconds on every process; what
//! was counted before still counts.

use hub_store::{StoreError, Tx, roles, user_limits};
use hub_types::{Caller, Permission, RateTier, UserId, UserLimits};
use serde_json::json;

use crate::audit::{self, Event};
use crate::rbac::{Authority, RightsError};
use crate::{Hub, Origin, access, rbac, users};

/// The largest limit; who wants more lifts it with 0.
const MOST: u32 = 1_000_000_000;

/// What one user may ask and use at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState {
    /// What was set for this user; `None` where the role decides.
    pub own: UserLimits,
    /// What the role allows; 0 means no limit.
    pub role: UserLimits,
}

/// The limits of a user: one's own, or anybody's with `users:read`.
pub async fn of_user(hub: &Hub, caller: &Caller, user: UserId) -> Result<LimitState, RightsError> {
    if user != caller.user {
        rbac::require(caller, Permission::UsersRead)?;
    }
    let mut tx = hub.store.read().await?;
    if users::account(&mut tx, user).await?.is_none() {
        return Err(RightsError::UnknownUser);
    }
    let own = user_limits::of(&mut tx, user).await?;
    Ok(LimitState { own, role: of_role(hub, &mut tx, user).await? })
}

/// Sets all limits of a user: `None` leaves one to the role, 0 lifts it. Needs `users:update`, and a place above the user.
pub async fn set_of_user(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    user: UserId,
    limits: UserLimits,
) -> Result<LimitState, RightsError> {
    let fields = [
        ("requestsPerMinute", limits.requests_per_minute),
        ("tokensPerMinute", limits.tokens_per_minute),
        ("concurrentCalls", limits.concurrent_calls),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, limit)| limit.is_some_and(|limit| limit > MOST)) {
        return Err(RightsError::Invalid { field, message: "must be at most 1 000 000 000; 0 lifts the limit" });
    }
    let mut tx = hub.store.write().await?;
    let found = Authority::read(&mut tx, caller, Permission::UsersUpdate).await?.target(&mut tx, user).await?;
    if found.deleted_at.is_some() {
        return Err(RightsError::UnknownUser);
    }
    user_limits::put(&mut tx, user, &limits, hub.clock.now()).await?;
    let event = Event::new("user.limits_set").by(caller).on("user", &user.to_string()).about(user);
    audit::record(hub, &mut tx, origin, event.details(json!(limits))).await?;
    let role = of_role(hub, &mut tx, user).await?;
    let doors = access::doors_of(hub, &mut tx, user).await?;
    tx.commit().await?;
    access::forget(hub, doors).await;
    Ok(LimitState { own: limits, role })
}

async fn of_role(hub: &Hub, tx: &mut Tx, user: UserId) -> Result<UserLimits, StoreError> {
    let names = roles::names_of(tx, user).await?;
    let tier = RateTier::of(names.iter().map(String::as_str));
    let role = hub.settings.limits.roles.of(tier);
    Ok(UserLimits {
        requests_per_minute: Some(hub.settings.limits.of(tier)),
        tokens_per_minute: Some(role.tokens_per_minute),
        concurrent_calls: Some(role.concurrent_calls),
    })
}
