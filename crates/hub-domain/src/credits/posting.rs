//! Posting to the ledger exactly once per key.

use hub_store::ledger::{self, Kind, Posting, Transaction};
use hub_store::{StoreError, Tx};
use hub_types::{Credits, TransactionId, UserId};
use serde_json::json;

use super::CreditsError;
use super::fold::Refusal;
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

/// Posts in a commit shared with whatever else is asked for at this moment. The same key and request again gives the first row back and
/// changes nothing; the same key with another request is refused.
pub(super) async fn post_once(hub: &Hub, posting: Posting) -> Result<Transaction, CreditsError> {
    hub.ledger.post(hub, posting).await?.map_err(|refusal| match refusal {
        Refusal::NoAccount => CreditsError::NotFound,
        Refusal::Frozen => CreditsError::Frozen,
        Refusal::Insufficient { needed, spendable } => CreditsError::Insufficient { needed, spendable },
        Refusal::KeyReused => CreditsError::KeyReused,
    })
}
