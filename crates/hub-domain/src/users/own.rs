//! One's own account: what it is called. Address, password and second factor have flows of their own in `identity`.

use hub_store::users;
use hub_types::Caller;
use serde_json::json;

use super::Account;
use super::list::account;
use crate::audit::{self, Event};
use crate::identity::checked_name;
use crate::rbac::RightsError;
use crate::{Hub, Origin, access};

/// The caller's own account.
pub async fn own(hub: &Hub, caller: &Caller) -> Result<Account, RightsError> {
    let mut tx = hub.store.read().await?;
    account(&mut tx, caller.user).await?.ok_or(RightsError::UnknownUser)
}

/// Changes the caller's own name; at most 100 characters, may be empty. `None`: a session is needed, and this is a key.
pub async fn rename_own(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    name: &str,
) -> Result<Option<Account>, RightsError> {
    if caller.session().is_none() {
        return Ok(None);
    }
    let name = checked_name(name).ok_or(RightsError::Invalid { field: "name", message: super::change::NAME })?;
    let mut tx = hub.store.write().await?;
    let changed = users::set_name(&mut tx, caller.user, &name, hub.clock.now()).await?;
    let found = account(&mut tx, caller.user).await?.ok_or(RightsError::UnknownUser)?;
    if !changed {
        return Ok(Some(found));
    }
    let event = Event::new("user.updated").by(caller).on("user", &caller.user.to_string()).about(caller.user);
    audit::record(hub, &mut tx, origin, event.details(json!({ "changed": ["name"] }))).await?;
    let doors = access::doors_of(hub, &mut tx, caller.user).await?;
    tx.commit().await?;
    access::forget(hub, doors).await;
    Ok(Some(found))
}
