//! `POST /api/credits/redeem`: a code turned into credits, in one transaction.
//!
//! Every refusal does the same work and gives the same answer, except the one that tells callers what they did themselves.

use std::time::Duration;

use hub_store::grants::{self, Category, NewLot};
use hub_store::ledger::{self, Kind, Posting};
use hub_store::{StoreError, Tx, accounts, promo as store};
use hub_types::{Caller, Credits, GrantId, Permission, Timestamp, TransactionId};
use serde_json::json;

use super::{PromoCode, PromoError, Rules, code};
use crate::audit::{self, Event};
use crate::identity::throttle;
use crate::{Hub, Origin, credits, rbac};

/// Attempts are counted in this time.
const WINDOW: Duration = Duration::from_mins(15);
/// Attempts of one account, right or wrong.
const PER_USER: u32 = 30;
/// Attempts from one address: a room full of people may share it.
const PER_ADDRESS: u32 = 300;

/// What a redemption gave.
#[derive(Debug, Clone, Copy)]
pub struct Redeemed {
    /// How much.
    pub credits: Credits,
    /// Balance right after it.
    pub balance: Credits,
    /// The row in the history.
    pub transaction: TransactionId,
    /// When what is left of it is taken back; never, if `None`.
    pub expires_at: Option<Timestamp>,
}

/// Redeems a code for the caller's own account. Case and surrounding spaces do not matter. Leaves an audit row.
///
/// Whoever signed in and may see the balance may raise it. A key that may only look must not: it needs `credits:purchase`, as for any other
/// way to more credits.
pub async fn redeem(hub: &Hub, caller: &Caller, origin: &Origin, text: &str) -> Result<Redeemed, PromoError> {
    let is_own = caller.session().is_some();
    rbac::require(caller, if is_own { Permission::CreditsRead } else { Permission::CreditsPurchase })?;
    count_attempt(hub, caller, origin).await?;
    // What can be no code is looked for all the same.
    let name = code::spelled(text).unwrap_or_else(|| "-".to_owned());
    let mut tx = hub.store.write().await?;
    match give(hub, caller, origin, &mut tx, &name).await {
        Ok(Some(done)) => {
            tx.commit().await?;
            return Ok(done);
        }
        Ok(None) => tx.rollback().await?,
        Err(error) => {
            tx.rollback().await?;
            return Err(error);
        }
    }
    let mut tx = hub.store.read().await?;
    let mine = store::times_redeemed(&mut tx, &name, caller.user).await?;
    Err(if mine > 0 { PromoError::AlreadyRedeemed } else { PromoError::NotRedeemable })
}

/// `None`: the code gives nothing, or not to this caller; the transaction must be rolled back.
async fn give(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    tx: &mut Tx,
    name: &str,
) -> Result<Option<Redeemed>, PromoError> {
    let now = hub.clock.now();
    let Some(promo) = store::take(tx, name, now).await? else { return Ok(None) };
    if !is_for(&promo, caller)? {
        return Ok(None);
    }
    let id = TransactionId::new(&hub.clock);
    let Some(number) = store::redeem(tx, promo.id, caller.user, id, now).await? else { return Ok(None) };
    let expires_at = promo.credits_expire_days.map(|days| now + chrono::Duration::days(i64::from(days)));
    let posting = Posting {
        id,
        user: caller.user,
        kind: Kind::Promo,
        amount: promo.credits,
        key: format!("promo:{}:{number}", promo.id),
        request_hash: None,
        hold: None,
        actor: None,
        reason: "promo".to_owned(),
        metadata: json!({ "code": promo.code, "expiresAt": expires_at }),
        at: now,
    };
    let Some(row) = ledger::post(tx, &posting).await? else {
        let closed = accounts::get(tx, caller.user).await?.is_none_or(|account| account.status == "closed");
        return Err(if closed { PromoError::Frozen } else { PromoError::Full });
    };
    credits::thaw::if_even(hub, tx, caller.user).await?;
    if expires_at.is_some() {
        let lot = NewLot {
            id: GrantId::new(&hub.clock),
            user: caller.user,
            source: id,
            category: Category::Promo,
            priority: credits::LOT_PRIORITY,
            amount: promo.credits,
            at: now,
            expires_at,
        };
        grants::insert(tx, &lot).await?;
    }
    let event = Event::new("promo.redeemed").by(caller).on("promo", &promo.id.to_string()).about(caller.user);
    let event = event.details(json!({ "code": promo.code, "credits": promo.credits, "transaction": id }));
    audit::record(hub, tx, origin, event).await?;
    Ok(Some(Redeemed { credits: promo.credits, balance: row.balance_after, transaction: id, expires_at }))
}

/// Whether the code is meant for this caller.
fn is_for(promo: &PromoCode, caller: &Caller) -> Result<bool, StoreError> {
    let rules: Rules =
        serde_json::from_value(promo.rules.clone()).map_err(|_| StoreError::Corrupt("the rules of a promo code"))?;
    let role = rules.roles.is_empty() || caller.roles.iter().any(|role| rules.roles.contains(role));
    let own = caller.email.as_str().rsplit_once('@').map_or("", |(_, domain)| domain);
    let domain = rules.domains.is_empty() || (caller.verified && rules.domains.iter().any(|domain| domain == own));
    Ok(role && domain)
}

/// Counts an attempt before anything is looked up, so that guesses sent at once do not get past the count.
async fn count_attempt(hub: &Hub, caller: &Caller, origin: &Origin) -> Result<(), PromoError> {
    let network = throttle::network(&origin.address);
    let windows = [
        Some((format!("redeem:user:{}", caller.user), PER_USER)),
        network.map(|network| (format!("redeem:address:{network}"), PER_ADDRESS)),
    ];
    for (name, limit) in windows.into_iter().flatten() {
        let counted = throttle::admit(hub, &name, limit, WINDOW).await;
        if let Some((_, window)) = counted.filter(|(_, window)| !window.allowed) {
            return Err(PromoError::TooMany { retry_after: window.reset });
        }
    }
    Ok(())
}
