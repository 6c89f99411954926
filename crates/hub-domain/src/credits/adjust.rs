//! `POST /api/credits/adjust`: a correction by an administrator, in either direction.

use hub_store::ledger::{Kind, Posting, Transaction};
use hub_types::{Caller, Credits, Permission, TransactionId, UserId};
use serde_json::json;

use super::post_with::{Posted, fingerprint, post_with};
use super::{CreditsError, deduct};
use crate::audit::{self, Event};
use crate::{Hub, Origin, rbac};

/// What is to be corrected.
#[derive(Debug, Clone)]
pub struct Adjust {
    /// Whose account.
    pub user: UserId,
    /// How much: above zero gives, below zero takes.
    pub amount: Credits,
    /// Why; 1 to 200 characters.
    pub reason: String,
    /// The client's `Idempotency-Key`.
    pub key: Option<String>,
}

/// Corrects a balance. Needs `credits:grant`, and `credits:update` to take; leaves an audit row. Takes only what is spendable: what is
/// held stays, and nothing goes below zero unless the account has an overdraft limit.
pub async fn adjust(hub: &Hub, caller: &Caller, origin: &Origin, input: Adjust) -> Result<Transaction, CreditsError> {
    rbac::require(caller, Permission::CreditsGrant)?;
    if !input.amount.is_positive() {
        rbac::require(caller, Permission::CreditsUpdate)?;
    }
    deduct::check_words(&input.reason, &json!({}))?;
    if input.amount == Credits::ZERO {
        return Err(CreditsError::Invalid { field: "amount", message: "must not be zero" });
    }
    let id = TransactionId::new(&hub.clock);
    let key = input.key.as_ref().map_or_else(|| format!("adjust:{id}"), |key| format!("adjust:{}:{key}", caller.user));
    let posting = Posting {
        id,
        user: input.user,
        kind: Kind::Adjustment,
        amount: input.amount,
        key,
        request_hash: Some(fingerprint(&[&input.amount.micro().to_be_bytes(), input.reason.as_bytes()])),
        hold: None,
        actor: Some(caller.user),
        reason: input.reason.clone(),
        metadata: json!({}),
        at: hub.clock.now(),
    };
    let (mut tx, row) = match post_with(hub, &posting).await? {
        Posted::New(tx, row) => (tx, row),
        Posted::Before(row) => return Ok(row),
    };
    let event = Event::new("credits.adjusted").by(caller).on("user", &input.user.to_string()).about(input.user);
    let event = event.details(json!({ "amount": input.amount, "reason": input.reason, "transaction": id }));
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await?;
    Ok(row)
}
