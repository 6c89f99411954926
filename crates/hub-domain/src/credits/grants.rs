//! `GET /api/credits/grants`: the lots of an account, in the order they are spent.

use hub_store::StoreError;
use hub_store::grants::{Category, Lot};
use hub_types::{Caller, Credits, GrantId, Timestamp, TransactionId, UserId};

use super::CreditsError;
use super::balance::subject;
use super::expire::open_lots;
use crate::Hub;

/// How far ahead the end of a lot counts as soon.
const SOON: chrono::Duration = chrono::Duration::days(7);

/// Credits that were given together.
#[derive(Debug, Clone)]
pub struct OpenGrant {
    /// Its id.
    pub id: GrantId,
    /// The row in the history that gave them.
    pub transaction: TransactionId,
    /// Where they came from.
    pub category: Category,
    /// What was given.
    pub amount: Credits,
    /// What is left.
    pub remaining: Credits,
    /// When they were given.
    pub created_at: Timestamp,
    /// When what is left is taken back; never, if `None`.
    pub expires_at: Option<Timestamp>,
}

/// What is going to be taken back soon.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExpiringSoon {
    /// How much within seven days, if nothing is spent.
    pub amount: Credits,
    /// When the first of it.
    pub first: Option<Timestamp>,
}

/// The open lots of `user`, by default the caller's own. Somebody else's need `credits:read_any`.
pub async fn grants(hub: &Hub, caller: &Caller, user: Option<UserId>) -> Result<Vec<OpenGrant>, CreditsError> {
    let user = subject(caller, user)?;
    let view = |lot: Lot| OpenGrant {
        id: lot.id,
        transaction: lot.source,
        category: lot.category,
        amount: Credits::from_micro(lot.amount),
        remaining: Credits::from_micro(lot.left()),
        created_at: lot.created_at,
        expires_at: lot.expires_at,
    };
    Ok(open_lots(hub, user).await?.into_iter().map(view).collect())
}

/// What of an account runs out within seven days.
pub(super) async fn expiring_soon(hub: &Hub, user: UserId) -> Result<ExpiringSoon, StoreError> {
    let limit = hub.clock.now() + SOON;
    let lots = open_lots(hub, user).await?;
    let soon = || lots.iter().filter(|lot| lot.expires_at.is_some_and(|end| end <= limit));
    Ok(ExpiringSoon {
        amount: soon().map(|lot| Credits::from_micro(lot.left())).sum(),
        first: soon().filter_map(|lot| lot.expires_at).min(),
    })
}
