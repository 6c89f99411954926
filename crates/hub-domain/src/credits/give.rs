//! Credits given by an administrator as a lot: with an origin, and often with an end.

use hub_store::grants::{self, Category, NewLot};
use hub_store::ledger::{Kind, Posting, Transaction};
use hub_types::{Caller, GrantId, Permission, Timestamp, TransactionId};
use serde_json::json;

use super::post_with::{Posted, fingerprint, post_with};
use super::{CreditsError, Grant, deduct, posting};
use crate::audit::{self, Event};
use crate::{Hub, Origin, rbac};

/// The priority of every lot so far: the end decides.
pub(crate) const PRIORITY: i32 = 50;

/// A grant that is a lot.
#[derive(Debug, Clone)]
pub struct GrantLot {
    /// To whom, how much, why.
    pub grant: Grant,
    /// Where it comes from.
    pub category: Category,
    /// When what is left of it is taken back; in the future.
    pub expires_at: Option<Timestamp>,
}

/// Gives credits as a lot. Needs `credits:grant`; leaves an audit row.
pub async fn grant_lot(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    input: GrantLot,
) -> Result<Transaction, CreditsError> {
    rbac::require(caller, Permission::CreditsGrant)?;
    let GrantLot { grant, category, expires_at } = input;
    let now = hub.clock.now();
    deduct::check_words(&grant.reason, &json!({}))?;
    if !grant.amount.is_positive() {
        return Err(CreditsError::Invalid { field: "amount", message: "must be above zero" });
    }
    let id = TransactionId::new(&hub.clock);
    let key = grant.key.as_ref().map_or_else(|| format!("grant:{id}"), |key| format!("grant:{}:{key}", caller.user));
    let end = expires_at.map_or(i64::MAX, |end| end.timestamp_micros());
    let hash = fingerprint(&[
        &grant.amount.micro().to_be_bytes(),
        grant.reason.as_bytes(),
        category.as_str().as_bytes(),
        &end.to_be_bytes(),
    ]);
    let posting = Posting {
        id,
        user: grant.user,
        kind: Kind::Grant,
        amount: grant.amount,
        key,
        request_hash: Some(hash),
        hold: None,
        actor: Some(caller.user),
        reason: grant.reason.clone(),
        metadata: json!({ "category": category.as_str(), "expiresAt": expires_at }),
        at: now,
    };
    if expires_at.is_some_and(|end| end <= now) {
        // A repetition is told what the first one was told, also after the end.
        let earlier = posting::earlier(hub, &posting).await?;
        return earlier.ok_or(CreditsError::Invalid { field: "expiresAt", message: "must be in the future" });
    }
    let (mut tx, row) = match post_with(hub, &posting).await? {
        Posted::New(tx, row) => (tx, row),
        Posted::Before(row) => return Ok(row),
    };
    let lot = NewLot {
        id: GrantId::new(&hub.clock),
        user: grant.user,
        source: id,
        category,
        priority: PRIORITY,
        amount: grant.amount,
        at: now,
        expires_at,
    };
    grants::insert(&mut tx, &lot).await?;
    let event = Event::new("credits.granted").by(caller).on("user", &grant.user.to_string()).about(grant.user);
    let event = event.details(json!({
        "amount": grant.amount, "reason": grant.reason, "transaction": id, "category": category.as_str(), "expiresAt": expires_at,
    }));
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await?;
    Ok(row)
}
