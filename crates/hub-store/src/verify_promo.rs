//! The questions of `hub ledger verify` about promo codes: how often each was used, and what every use gave.

use uuid::Uuid;

use crate::verify::{NAMED, NamedFault, RowFault};
use crate::{Result, Tx};

statements! {
    USES = "SELECT p.code, CAST(p.used_count AS BIGINT), COUNT(r.promo_id) FROM promo_codes p
            LEFT JOIN promo_redemptions r ON r.promo_id = p.id
            GROUP BY p.id, p.code, p.used_count HAVING p.used_count <> COUNT(r.promo_id) LIMIT $1";
    GIVEN = "SELECT p.code, r.user_id, r.credits, COALESCE(t.amount, 0) FROM promo_redemptions r JOIN promo_codes p ON p.id = r.promo_id
             LEFT JOIN credit_transactions t ON t.id = r.transaction_id AND t.user_id = r.user_id AND t.kind = 'promo'
             WHERE t.id IS NULL OR t.amount <> r.credits LIMIT $1";
    UNKNOWN = "SELECT t.user_id, t.account_version, t.kind, t.amount FROM credit_transactions t
               LEFT JOIN promo_redemptions r ON r.transaction_id = t.id AND r.user_id = t.user_id
               WHERE t.kind = 'promo' AND r.promo_id IS NULL LIMIT $1";
}

/// Codes that were used more or less often than they were redeemed.
pub async fn uses(tx: &mut Tx) -> Result<Vec<NamedFault>> {
    let rows: Vec<(String, i64, i64)> = run!(tx, rows, USES, NAMED)?;
    let fault = |(code, stored, computed)| NamedFault { what: format!("promo code {code}"), stored, computed };
    Ok(rows.into_iter().map(fault).collect())
}

/// Redemptions that gave something else than their ledger row.
pub async fn given(tx: &mut Tx) -> Result<Vec<NamedFault>> {
    let rows: Vec<(String, Uuid, i64, i64)> = run!(tx, rows, GIVEN, NAMED)?;
    let fault = |(code, user, stored, computed)| NamedFault {
        what: format!("promo code {code}, user {user}"),
        stored,
        computed,
    };
    Ok(rows.into_iter().map(fault).collect())
}

/// Ledger rows of a code that nobody redeemed.
pub async fn unknown(tx: &mut Tx) -> Result<Vec<RowFault>> {
    let rows: Vec<(Uuid, i64, String, i64)> = run!(tx, rows, UNKNOWN, NAMED)?;
    Ok(rows.into_iter().map(RowFault::from).collect())
}
