//! `POST /api/credits/refund`: a charge given back, whole or in parts, never more than it was.

use hub_store::ledger::{self, Kind, Posting, Transaction};
use hub_store::{accounts, grants, refunds};
use hub_types::{Caller, Credits, Permission, TransactionId, UserId};
use serde_json::json;

use super::post_with::fingerprint;
use super::{CreditsError, deduct, posting, thaw};
use crate::audit::{self, Event};
use crate::{Hub, Origin, rbac};

/// What is to be given back.
#[derive(Debug, Clone)]
pub struct Refund {
    /// The charge.
    pub transaction: TransactionId,
    /// Whose it must be; anybody's, if `None`.
    pub user: Option<UserId>,
    /// How much of it; all that is left, if `None`.
    pub amount: Option<Credits>,
    /// Why; 1 to 200 characters.
    pub reason: String,
    /// The client's `Idempotency-Key`.
    pub key: Option<String>,
}

/// Gives a charge back. Needs `credits:grant`; leaves an audit row. The credits come back without an end, also where a lot paid.
pub async fn refund(hub: &Hub, caller: &Caller, origin: &Origin, input: Refund) -> Result<Transaction, CreditsError> {
    rbac::require(caller, Permission::CreditsGrant)?;
    deduct::check_words(&input.reason, &json!({}))?;
    if input.amount.is_some_and(|amount| !amount.is_positive()) {
        return Err(CreditsError::Invalid { field: "amount", message: "must be above zero" });
    }
    let mut tx = hub.store.write().await?;
    let found = refunds::original(&mut tx, input.transaction).await?;
    let user = found.filter(|found| input.user.is_none_or(|user| user == found.user)).map(|found| found.user);
    let user = user.ok_or(CreditsError::NotFound)?;
    // From here on nobody else posts to the account, so what is read stays true.
    grants::lock(&mut tx, user).await?;
    let id = TransactionId::new(&hub.clock);
    let key = input.key.as_ref().map_or_else(|| format!("refund:{id}"), |key| format!("refund:{}:{key}", caller.user));
    let asked = input.amount.map_or(0, Credits::micro);
    let hash = fingerprint(&[input.transaction.0.as_bytes(), &asked.to_be_bytes(), input.reason.as_bytes()]);
    if let Some(earlier) = ledger::by_key(&mut tx, user, &key).await? {
        return if earlier.request_hash.as_deref() == Some(&hash[..]) {
            Ok(earlier)
        } else {
            Err(CreditsError::KeyReused)
        };
    }
    let original = refunds::original(&mut tx, input.transaction).await?.ok_or(CreditsError::NotFound)?;
    let is_charge = original.amount < Credits::ZERO && ["usage", "adjustment"].contains(&original.kind.as_str());
    if !is_charge {
        return Err(CreditsError::NotRefundable("This transaction is not a charge that can be given back"));
    }
    let left = Credits::from_micro(-original.amount.micro() - original.given_back.micro());
    let amount = input.amount.unwrap_or(left);
    if !left.is_positive() {
        return Err(CreditsError::NotRefundable("This charge was given back already"));
    }
    let posting = Posting {
        id,
        user,
        kind: Kind::Refund,
        amount,
        key,
        request_hash: Some(hash),
        hold: None,
        actor: Some(caller.user),
        reason: input.reason.clone(),
        metadata: json!({ "reverses": input.transaction }),
        at: hub.clock.now(),
    };
    let Some(row) = refunds::post(&mut tx, &posting, input.transaction).await? else {
        // The guard said no: the amount is more than what is left, or the account is closed, or full.
        let closed = accounts::get(&mut tx, user).await?.is_none_or(|account| account.status == "closed");
        return Err(if amount > left {
            CreditsError::NotRefundable("That is more than what is left of this charge")
        } else if closed {
            CreditsError::Frozen
        } else {
            posting::FULL
        });
    };
    thaw::if_even(hub, &mut tx, user).await?;
    let event = Event::new("credits.refunded").by(caller).on("transaction", &input.transaction.to_string()).about(user);
    let event = event.details(json!({ "amount": amount, "reason": input.reason, "transaction": id }));
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await?;
    Ok(row)
}
