//! Posting to the ledger exactly once per key.

use hub_store::ledger::{self, Kind, Posting, Transaction};
use hub_store::{StoreError, Tx, accounts};
use hub_types::{Credits, TransactionId, UserId};
use serde_json::json;

use super::CreditsError;
use super::fold::Refusal;
use crate::Hub;

/// No balance may be larger than `Credits::MAX`.
pub(super) const FULL: CreditsError =
    CreditsError::Invalid { field: "amount", message: "would raise the balance above 1000000000 credits" };

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

/// Posts in a commit shared with whatever else is asked for at this moment. The same key and request again gives the first row back and
/// changes nothing; the same key with another request is refused.
pub(super) async fn post_once(hub: &Hub, posting: Posting) -> Result<Transaction, CreditsError> {
    hub.ledger.post(hub, posting).await?.map_err(|refusal| match refusal {
        Refusal::NoAccount => CreditsError::NotFound,
        Refusal::Frozen => CreditsError::Frozen,
        Refusal::Insufficient { needed, spendable } => CreditsError::Insufficient { needed, spendable },
        Refusal::Full => FULL,
        Refusal::KeyReused => CreditsError::KeyReused,
    })
}

/// What was posted before under the posting's key.
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
        Some(account) if account.status == "closed" => CreditsError::Frozen,
        // What is frozen takes credits all the same.
        Some(_) if posting.amount.is_positive() => FULL,
        Some(account) if account.status != "active" => CreditsError::Frozen,
        Some(account) => CreditsError::Insufficient { needed: -posting.amount, spendable: account.spendable() },
    })
}
