//! Lots and promo codes, against the ledger rows that made them and took from them.

use hub_store::grants::{self, Lot};
use hub_store::{StoreError, Tx, verify_lots as questions, verify_promo as codes};
use hub_types::UserId;
use uuid::Uuid;

use super::{Check, Depth, of_accounts, of_named, of_rows};
use crate::credits::lots;

/// Accounts looked up at a time.
const ACCOUNTS: i64 = 100;
/// Rows read at a time.
const PAGE: i64 = 1000;
/// Culprits named at most.
const NAMED: usize = 100;

/// Adds what is asked about lots and codes.
pub(super) async fn check(tx: &mut Tx, depth: Depth, checks: &mut Vec<Check>) -> Result<(), StoreError> {
    checks.extend([
        of_named("every lot is as large as the row that made it", questions::made(tx).await?),
        of_named("every lot is closed once nothing is left of it, and not before", questions::closed(tx).await?),
        of_accounts("no account's lots are worked out further than its rows go", questions::marks(tx).await?),
        of_accounts("every account's lots expired as its expiry rows say", questions::expired(tx).await?),
        of_named("every promo code was used as often as it was redeemed", codes::uses(tx).await?),
    ]);
    if depth == Depth::Full {
        checks.extend([
            of_rows("every row that gives a lot has it", questions::without_lot(tx).await?),
            consumed(tx).await?,
            of_named("every redemption gave what its row says", codes::given(tx).await?),
            of_rows("every row of a promo code has its redemption", codes::unknown(tx).await?),
        ]);
    }
    Ok(())
}

/// Takes every row from the lots again, from the first one, and compares.
async fn consumed(tx: &mut Tx) -> Result<Check, StoreError> {
    let mut faults = Vec::new();
    let mut last = UserId(Uuid::nil());
    loop {
        let owners = questions::owners(tx, last, ACCOUNTS).await?;
        let Some(newest) = owners.last() else { break };
        last = *newest;
        for user in owners {
            compare(tx, user, &mut faults).await?;
            if faults.len() >= NAMED {
                break;
            }
        }
    }
    faults.truncate(NAMED);
    Ok(Check { name: "every lot lost what the rows of its account took from it", faults })
}

async fn compare(tx: &mut Tx, user: UserId, faults: &mut Vec<String>) -> Result<(), StoreError> {
    let Some(standing) = grants::standing(tx, user).await? else { return Ok(()) };
    let mut stored = grants::all(tx, user).await?;
    let mut again: Vec<Lot> = stored.iter().map(|lot| Lot { consumed: 0, expired: 0, ..lot.clone() }).collect();
    lots::sort(&mut again);
    // Rows below the oldest lot took nothing from any.
    let mut at = again.iter().map(|lot| lot.opened).min().unwrap_or(standing.burned);
    loop {
        let rows = questions::taken(tx, user, at, standing.burned, PAGE).await?;
        let Some(newest) = rows.last() else { break };
        at = newest.version;
        for row in &rows {
            if row.is_expiry() {
                if let Some(lot) = again.iter_mut().find(|lot| Some(lot.id) == row.lot()) {
                    lot.expired += row.amount;
                }
            } else if row.takes_back() {
                lots::burn_last(&mut again, row.version, row.amount, row.balance_after);
            } else {
                lots::burn(&mut again, row.version, row.amount);
            }
        }
    }
    lots::sort(&mut stored);
    for (stored, again) in stored.iter().zip(&again) {
        if (stored.consumed, stored.expired) != (again.consumed, again.expired) {
            faults.push(format!(
                "lot {} of user {user}: stored {} consumed and {} expired, computed {} and {}",
                stored.id, stored.consumed, stored.expired, again.consumed, again.expired
            ));
        }
    }
    Ok(())
}
