//! Invitations that nobody accepted yet: seen, mailed once more, withdrawn.

use hub_store::invites::{self as store, Invite as Row};
use hub_store::{StoreError, Tx};
use hub_types::{Caller, Email, Permission, Timestamp, UserId, VerificationId};
use serde::Deserialize;
use serde_json::json;

use super::create::mail_invitation;
use super::{CreateError, Invite, Invited};
use crate::audit::{self, Event};
use crate::rbac::{self, Authority, RightsError};
use crate::{Hub, Origin};

/// An open invitation. Its link is nowhere but in the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: VerificationId,
    /// Who is invited.
    pub email: Email,
    /// Display name, unless the invited person chooses another.
    pub name: String,
    /// The role the account will have.
    pub role: String,
    /// Who invited; `None`: the operator at the machine.
    pub by: Option<UserId>,
    /// When it was mailed.
    pub created_at: Timestamp,
    /// The link works until then.
    pub expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Promise {
    name: String,
    role: String,
    by: Option<UserId>,
}

impl TryFrom<Row> for Invitation {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { id, email, payload, created_at, expires_at } = row;
        let Promise { name, role, by } =
            Promise::deserialize(payload).map_err(|_| StoreError::Corrupt("an invitation"))?;
        Ok(Self { id, email, name, role, by, created_at, expires_at })
    }
}

/// Up to `limit` open invitations mailed before `before`, newest first, and how many there are in all. Needs `users:read`.
pub async fn invitations(
    hub: &Hub,
    caller: &Caller,
    before: Option<VerificationId>,
    limit: i64,
) -> Result<(Vec<Invitation>, i64), RightsError> {
    rbac::require(caller, Permission::UsersRead)?;
    let now = hub.clock.now();
    let mut tx = hub.store.read().await?;
    let rows = store::list(&mut tx, now, before, limit).await?;
    let all = rows.into_iter().map(Invitation::try_from).collect::<Result<_, _>>()?;
    Ok((all, store::count(&mut tx, now).await?))
}

/// Mails an open invitation once more: another link, in the caller's name, and the earlier one stops working. The same needs as inviting.
/// `None`: there is no such open invitation.
pub async fn resend_invitation(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    id: VerificationId,
) -> Result<Option<Invited>, CreateError> {
    let mut tx = hub.store.write().await?;
    let authority = Authority::read(&mut tx, caller, Permission::UsersCreate).await?;
    let Some(found) = open(hub, &mut tx, id).await? else { return Ok(None) };
    let again = Invite { email: found.email, name: found.name, role: found.role };
    let invited = mail_invitation(hub, &mut tx, (caller, origin), &authority, again).await?;
    tx.commit().await?;
    Ok(Some(invited))
}

/// Withdraws an open invitation: its link stops working. Needs `users:create` and what giving the role needs, unless the role is gone.
/// `false`: there is no such open invitation.
pub async fn withdraw_invitation(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    id: VerificationId,
) -> Result<bool, RightsError> {
    let mut tx = hub.store.write().await?;
    let authority = Authority::read(&mut tx, caller, Permission::UsersCreate).await?;
    let Some(found) = open(hub, &mut tx, id).await? else { return Ok(false) };
    match authority.first_role(&mut tx, &found.role).await {
        Ok(_) | Err(RightsError::UnknownRole) => {}
        Err(error) => return Err(error),
    }
    // Whoever accepts at this moment may have been faster.
    if !store::withdraw(&mut tx, id, hub.clock.now()).await? {
        return Ok(false);
    }
    let event = Event::new("user.invitation_withdrawn").by(caller).on("invite", &id.to_string());
    let details = json!({ "email": found.email, "role": found.role });
    audit::record(hub, &mut tx, origin, event.details(details)).await?;
    tx.commit().await?;
    Ok(true)
}

async fn open(hub: &Hub, tx: &mut Tx, id: VerificationId) -> Result<Option<Invitation>, StoreError> {
    store::by_id(tx, id, hub.clock.now()).await?.map(Invitation::try_from).transpose()
}
