//! Credits given by an administrator, through the API or the command line.

use hub_store::ledger::{Kind, Posting, Transaction};
use hub_types::{Caller, Credits, Permission, TransactionId, UserId};
use serde_json::json;

use super::post_with::{Posted, post_with};
use super::{CreditsError, deduct};
use crate::audit::{self, Event};
use crate::{Hub, Origin, rbac};

/// What is to be given.
#[derive(Debug, Clone)]
pub struct Grant {
    /// To whom.
    pub user: UserId,
    /// How much; above zero.
    pub amount: Credits,
    /// Why; 1 to 200 characters.
    pub reason: String,
    /// The client's `Idempotency-Key`.
    pub key: Option<String>,
}

/// Gives credits. Needs `credits:grant`; leaves an audit row.
pub async fn grant(hub: &Hub, caller: &Caller, origin: &Origin, input: Grant) -> Result<Transaction, CreditsError> {
    rbac::require(caller, Permission::CreditsGrant)?;
    deduct::check_words(&input.reason, &json!({}))?;
    if !input.amount.is_positive() {
        return Err(CreditsError::Invalid { field: "amount", message: "must be above zero" });
    }
    let id = TransactionId::new(&hub.clock);
    let key = input.key.as_ref().map_or_else(|| format!("grant:{id}"), |key| format!("grant:{}:{key}", caller.user));
    let posting = Posting {
        id,
        user: input.user,
        kind: Kind::Grant,
        amount: input.amount,
        key,
        request_hash: Some(format!("{}:{}", input.amount.micro(), input.reason).into_bytes()),
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
    let event = Event::new("credits.granted").by(caller).on("user", &input.user.to_string()).about(input.user);
    let event = event.details(json!({ "amount": input.amount, "reason": input.reason, "transaction": id }));
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await?;
    Ok(row)
}
