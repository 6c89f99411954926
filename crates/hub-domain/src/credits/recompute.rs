//! Computes receipts again from their usage, their stored prices and the price book; names those that come out differently.

use hub_store::receipts::{self, Receipt};
use hub_store::{Store, StoreError, Tx};
use hub_types::{Credits, HoldId, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::pricing::{PriceBook, UnitPrices};

/// Receipts read at a time.
const PAGE: i64 = 1000;
/// Differences named.
const NAMED: usize = 100;
/// A call may run this long before its receipt is written: ids, which carry the time of the hold, are read from this much earlier.
const LONGEST_CALL: chrono::Duration = chrono::Duration::days(2);

/// Which receipts.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    /// Written at or after this.
    pub from: Timestamp,
    /// Written before this.
    pub to: Timestamp,
}

/// What computing again found.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recomputed {
    /// Receipts looked at.
    pub receipts: u64,
    /// How many came out differently.
    pub differences: u64,
    /// The first hundred of them, in words.
    pub named: Vec<String>,
    /// What the receipts say was charged.
    pub charged: Credits,
    /// What they should say.
    pub computed: Credits,
}

/// Computes every receipt written in a period again, on one unchanging picture of the database. Reads only.
pub async fn recompute(store: &Store, book: &PriceBook, period: Period) -> Result<Recomputed, StoreError> {
    let mut tx = store.snapshot().await?;
    let mut found = Recomputed::default();
    let first = period.from.checked_sub_signed(LONGEST_CALL).unwrap_or(period.from);
    walk(&mut tx, first_id_at(first), Some(first_id_at(period.to)), |receipt| {
        if receipt.created_at < period.from || receipt.created_at >= period.to {
            return;
        }
        found.receipts += 1;
        let check = check(receipt, book);
        found.charged = sum(found.charged, receipt.amount);
        found.computed = sum(found.computed, check.amount);
        if let Some(words) = check.difference {
            found.differences += 1;
            if found.named.len() < NAMED {
                found.named.push(words);
            }
        }
    })
    .await?;
    Ok(found)
}

/// Shows every receipt of calls that began at or after `from` and before `to`, in that order.
pub(crate) async fn receipts_between(
    tx: &mut Tx,
    from: Timestamp,
    to: Timestamp,
    show: impl FnMut(&Receipt),
) -> Result<(), StoreError> {
    walk(tx, first_id_at(from), Some(first_id_at(to)), show).await
}

/// Computes every receipt there is again: how many, and what is wrong with them, in words.
pub(super) async fn recompute_all(tx: &mut Tx, book: &PriceBook) -> Result<(i64, Vec<String>), StoreError> {
    let (mut count, mut faults) = (0, Vec::new());
    walk(tx, HoldId(Uuid::nil()), None, |receipt| {
        count += 1;
        if faults.len() < NAMED {
            faults.extend(check(receipt, book).difference);
        }
    })
    .await?;
    Ok((count, faults))
}

/// Shows every receipt with an id after `last` and before `end`, in order of id.
async fn walk(
    tx: &mut Tx,
    mut last: HoldId,
    end: Option<HoldId>,
    mut show: impl FnMut(&Receipt),
) -> Result<(), StoreError> {
    loop {
        let page = receipts::after(tx, last, PAGE).await?;
        let Some(newest) = page.last().map(|receipt| receipt.id) else { return Ok(()) };
        page.iter().filter(|receipt| end.is_none_or(|end| receipt.id < end)).for_each(&mut show);
        if end.is_some_and(|end| newest >= end) {
            return Ok(());
        }
        last = newest;
    }
}

/// The smallest id that a hold opened at `at` can have: ids are UUID v7, 48 bits of milliseconds first (RFC 9562).
fn first_id_at(at: Timestamp) -> HoldId {
    let milliseconds = u128::try_from(at.timestamp_millis()).unwrap_or(0);
    HoldId(Uuid::from_u128(milliseconds << 80))
}

fn sum(total: Credits, amount: Credits) -> Credits {
    [total, amount].into_iter().sum()
}

/// A receipt computed again.
struct Checked {
    amount: Credits,
    difference: Option<String>,
}

fn check(receipt: &Receipt, book: &PriceBook) -> Checked {
    let wrong = |words: String| Checked {
        amount: receipt.amount,
        difference: Some(format!("receipt {}: {words}", receipt.id)),
    };
    let Ok(stored) = serde_json::from_value::<UnitPrices>(receipt.unit_prices.clone()) else {
        return wrong("unreadable prices".to_owned());
    };
    match book.by_id(receipt.price) {
        None => return wrong(format!("price version {} is not in the book", receipt.price)),
        Some(price) if price.units != stored.as_in_book() => {
            return wrong(format!("prices differ from version {}", receipt.price));
        }
        Some(_) => {}
    }
    // A voided call keeps the prices but owes nothing, whatever a call itself would cost.
    let (exact_pico, amount) = if receipt.usage_source == "none" {
        (0, Credits::ZERO)
    } else {
        // A cost out of range was charged at the hold, see `settle`.
        let (exact_pico, cost) =
            stored.cost(&receipt.usage).map_or((i64::MAX, receipt.held), |cost| (cost.exact_pico, cost.amount));
        (exact_pico, cost.min(receipt.held))
    };
    let same = exact_pico == receipt.exact_pico && amount == receipt.amount;
    let words = || {
        let (stored, exact) = (receipt.amount, receipt.exact_pico);
        format!("receipt {}: stored {stored} (exactly {exact}), computed {amount} ({exact_pico})", receipt.id)
    };
    Checked { amount, difference: (!same).then(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_cut_at_the_millisecond() {
        let clock = hub_types::Clock::fixed_at("2026-11-23T10:00:00Z");
        let id = HoldId::new(&clock);
        assert!(first_id_at(clock.now()) <= id);
        assert!(first_id_at(clock.now() + chrono::Duration::milliseconds(1)) > id);
    }
}
