//! `POST /api/credits/deduct`: the spec's direct deduction, for services that bill something of their own.

use hub_store::ledger::{Kind, Posting};
use hub_types::{Caller, Credits, Permission, TransactionId, UserId};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{CreditsError, posting};
use crate::{Hub, rbac};

/// Largest metadata, in bytes of JSON.
const MAX_METADATA: usize = 16 * 1024;

/// What is to be deducted.
#[derive(Debug, Clone)]
pub struct Deduct {
    /// From whom.
    pub user: UserId,
    /// How much; above zero.
    pub amount: Credits,
    /// Why; 1 to 200 characters.
    pub reason: String,
    /// Free data for the history; an object of at most 16 KiB.
    pub metadata: Value,
    /// The client's `Idempotency-Key`.
    pub key: Option<String>,
}

/// A deduction that happened, now or when its key was first used.
#[derive(Debug, Clone)]
pub struct Deducted {
    /// Balance right after it.
    pub new_balance: Credits,
    /// The ledger row.
    pub transaction: TransactionId,
}

/// Deducts credits from an account. Needs `credits:update`.
pub async fn deduct(hub: &Hub, caller: &Caller, input: Deduct) -> Result<Deducted, CreditsError> {
    rbac::require(caller, Permission::CreditsUpdate)?;
    check_words(&input.reason, &input.metadata)?;
    if !input.amount.is_positive() {
        return Err(CreditsError::Invalid { field: "amount", message: "must be above zero" });
    }
    let id = TransactionId::new(&hub.clock);
    // The key belongs to who sent it: two services may use the same key for one account.
    let key = input.key.as_ref().map_or_else(|| format!("deduct:{id}"), |key| format!("deduct:{}:{key}", caller.user));
    let posting = Posting {
        id,
        user: input.user,
        kind: Kind::Usage,
        amount: -input.amount,
        key,
        request_hash: Some(fingerprint(&input)),
        hold: None,
        actor: (caller.user != input.user).then_some(caller.user),
        reason: input.reason,
        metadata: input.metadata,
        at: hub.clock.now(),
    };
    let row = posting::post_once(hub, posting).await?;
    Ok(Deducted { new_balance: row.balance_after, transaction: row.id })
}

/// Reason and metadata within their bounds. NUL cannot be stored in PostgreSQL text.
pub(super) fn check_words(reason: &str, metadata: &Value) -> Result<(), CreditsError> {
    if reason.trim().is_empty() || reason.chars().count() > 200 || reason.contains('\0') {
        return Err(CreditsError::Invalid { field: "reason", message: "must have 1 to 200 characters" });
    }
    let text = metadata.to_string();
    if !metadata.is_object() || text.len() > MAX_METADATA || text.contains("\\u0000") {
        return Err(CreditsError::Invalid {
            field: "metadata",
            message: "must be an object of at most 16 KiB without NUL characters",
        });
    }
    Ok(())
}

/// SHA-256 over the request's meaning: `serde_json` maps are sorted, so the order of fields does not matter.
fn fingerprint(input: &Deduct) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(input.user.0.as_bytes());
    hash.update(input.amount.micro().to_be_bytes());
    hash.update(u64::try_from(input.reason.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(input.reason.as_bytes());
    hash.update(input.metadata.to_string().as_bytes());
    hash.finalize().to_vec()
}
