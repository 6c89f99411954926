//! Posting to the ledger exactly once per key.

use hub_store::ledger::{self, Kind, Posting, Transaction};
use hub_store::{StoreError, Tx, accounts};
use hub_types::{Credits, TransactionId, UserId};
use serde_json::json;

use super::CreditsError;
use crate::Hub;

/// The welcome grant, inside the transaction that opens the account.
pub(super) async fn welcome(hub: &Hub, tx: &mut Tx, user: UserId, amount: Credits) -> Result<(), StoreError> {
    let posting = Posting {
        id: TransactionId::new(&hub.clock),
        user,
        kind: Kind::Grant,
        amount,
        key: "welcome".to_owned(),
        request_hash: None,
        hold: None,
        actor: None,
        reason: "welcome".to_owned(),
        metadata: json!({}),
        at: hub.clock.now(),
    };
    ledger::post(tx, &posting).await.map(drop)
}

/// Posts in a transaction of its own. The same key and request again gives the first row back and changes nothing; the same
/// key with another request is refused.
pub(super) async fn post_once(hub: &Hub, posting: &Posting) -> Result<Transaction, CreditsError> {
    let mut tx = hub.store.write().await?;
    match ledger::post(&mut tx, posting).await {
        Ok(Some(transaction)) => {
            tx.commit().await?;
            Ok(transaction)
        }
        Ok(None) => {
            tx.rollback().await?;
            match earlier(hub, posting).await? {
                Some(transaction) => Ok(transaction),
                None => Err(refusal(hub, posting).await?),
            }
        }
        Err(StoreError::Duplicate(source)) => {
            tx.rollback().await?;
            let earlier = earlier(hub, posting).await?;
            earlier.ok_or(CreditsError::Store(StoreError::Duplicate(source)))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn earlier(hub: &Hub, posting: &Posting) -> Result<Option<Transaction>, CreditsError> {
    let mut tx = hub.store.read().await?;
    let Some(earlier) = ledger::by_key(&mut tx, posting.user, &posting.key).await? else {
        return Ok(None);
    };
    if earlier.request_hash == posting.request_hash { Ok(Some(earlier)) } else { Err(CreditsError::KeyReused) }
}

/// Why the account did not allow the movement; read after the fact, for words only.
pub(super) async fn refusal(hub: &Hub, posting: &Posting) -> Result<CreditsError, CreditsError> {
    let mut tx = hub.store.read().await?;
    Ok(match accounts::get(&mut tx, posting.user).await? {
        None => CreditsError::NotFound,
        Some(account) if account.status != "active" => CreditsError::Frozen,
        Some(_) if posting.amount.is_positive() => {
            CreditsError::Invalid { field: "amount", message: "would raise the balance above 1000000000 credits" }
        }
        Some(account) => CreditsError::Insufficient { needed: -posting.amount, spendable: account.spendable() },
    })
}
