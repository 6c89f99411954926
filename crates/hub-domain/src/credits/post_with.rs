//! Posting to the ledger in a transaction that goes on: for rules that write more rows than the ledger's. Once per key.

use hub_store::ledger::{self, Posting, Transaction};
use hub_store::{StoreError, Tx};
use sha2::{Digest, Sha256};

use super::{CreditsError, posting, thaw};
use crate::Hub;

/// What became of a posting.
pub(super) enum Posted {
    /// It was posted; the rest is to be written, and committed.
    New(Tx, Transaction),
    /// The same request was posted before under its key. Nothing was changed.
    Before(Transaction),
}

/// Posts, and leaves the transaction open. The same key with another request is refused. What pays a debt lets the account spend again.
pub(super) async fn post_with(hub: &Hub, posting: &Posting) -> Result<Posted, CreditsError> {
    let mut tx = hub.store.write().await?;
    match ledger::post(&mut tx, posting).await {
        Ok(Some(row)) => {
            if posting.amount.is_positive() {
                thaw::if_even(hub, &mut tx, posting.user).await?;
            }
            Ok(Posted::New(tx, row))
        }
        Ok(None) => {
            tx.rollback().await?;
            match posting::earlier(hub, posting).await? {
                Some(row) => Ok(Posted::Before(row)),
                None => Err(posting::refusal(hub, posting).await?),
            }
        }
        Err(StoreError::Duplicate(source)) => {
            tx.rollback().await?;
            let earlier = posting::earlier(hub, posting).await?;
            earlier.map(Posted::Before).ok_or(CreditsError::Store(StoreError::Duplicate(source)))
        }
        Err(error) => Err(error.into()),
    }
}

/// SHA-256 over the parts of a request, to tell a repetition from another request under the same key.
pub(super) fn fingerprint(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}
