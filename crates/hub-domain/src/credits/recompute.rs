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
    let (exact_pico, cost) = if receipt.usage_source == "none" {
        (0, Credits::ZERO)
    } else {
        // A cost out of range was charged at the hold, see `settle`.
        stored.cost(&receipt.usage).map_or((i64::MAX, receipt.held), |cost| (cost.exact_pico, cost.amount))
    };
    let most = cost.min(receipt.held);
    // A late settle takes what it finds to spend and says what it did not get; whether it took that much, the ledger says.
    let late = receipt.amount >= Credits::ZERO
        && receipt.amount < most
        && cost.checked_sub(receipt.amount) == Some(receipt.uncollected);
    let amount = if late { receipt.amount } else { most };
    let uncollected = cost.checked_sub(amount).unwrap_or_default();
    let same = (exact_pico, amount, uncollected) == (receipt.exact_pico, receipt.amount, receipt.uncollected);
    let words = || {
        let Receipt { id, amount: stored, exact_pico: exact, uncollected: without, .. } = receipt;
        format!(
            "receipt {id}: stored {stored} and {without} uncollected (exactly {exact}), \
             computed {amount} and {uncollected} ({exact_pico})"
        )
    };
    Checked { amount, difference: (!same).then(words) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hub_types::{Clock, PriceId, TokenUsage, UserId};
    use serde_json::json;

    use super::*;
    use crate::pricing::Price;

    /// Changes one number of a receipt.
    type Flip = fn(&mut Receipt);

    /// A price with a number of its own for every class, in a book, and a receipt of a call that cost more than was held.
    fn receipt() -> (PriceBook, Receipt) {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let units = UnitPrices {
            input: 1_000_000,
            cache_read: 2_000_000,
            cache_write: 3_000_000,
            cache_write_long: Some(4_000_000),
            input_audio: Some(5_000_000),
            input_image: Some(6_000_000),
            output: 7_000_000,
            reasoning: 8_000_000,
            output_audio: Some(9_000_000),
            output_image: Some(10_000_000),
            ..UnitPrices::default()
        };
        let usage = TokenUsage {
            input: 10_000,
            cache_read: 1_000,
            cache_write: 2_000,
            output: 9_000,
            reasoning: 1_000,
            cache_write_long: 500,
            input_audio: 500,
            input_image: 600,
            output_audio: 700,
            output_image: 800,
        };
        let price = Price {
            id: PriceId::new(&clock),
            service: "own".to_owned(),
            model: "m".to_owned(),
            units: units.clone(),
            context_tokens: None,
            max_output_tokens: 1,
            valid_from: clock.now(),
            source: String::new(),
        };
        let cost = units.cost(&usage).unwrap();
        let held = cost.amount.checked_sub(Credits::from_micro(1_000)).unwrap();
        let receipt = Receipt {
            id: HoldId::new(&clock),
            user: UserId::new(&clock),
            transaction: None,
            api_key: None,
            request_id: String::new(),
            route: String::new(),
            service: price.service.clone(),
            provider: String::new(),
            model: price.model.clone(),
            upstream_model: String::new(),
            upstream_id: None,
            price: price.id,
            unit_prices: serde_json::to_value(&units).unwrap(),
            usage,
            usage_source: "provider".to_owned(),
            exact_pico: cost.exact_pico,
            amount: held,
            uncollected: Credits::from_micro(1_000),
            held,
            outcome: "completed".to_owned(),
            attempts: json!([]),
            created_at: clock.now(),
        };
        (PriceBook::of([Arc::new(price)]), receipt)
    }

    #[test]
    fn no_number_of_a_receipt_can_be_changed_unseen() {
        let (book, sound) = receipt();
        assert_eq!(check(&sound, &book).difference, None);
        let one = Credits::from_micro(1);
        let plus = |amount: Credits| amount.checked_add(one).unwrap();
        let flips: [(&str, Flip); 11] = [
            ("exact_pico", |receipt| receipt.exact_pico += 1),
            ("input_tokens", |receipt| receipt.usage.input += 1),
            ("cache_read_tokens", |receipt| receipt.usage.cache_read += 1),
            ("cache_write_tokens", |receipt| receipt.usage.cache_write += 1),
            ("output_tokens", |receipt| receipt.usage.output += 1),
            ("reasoning_tokens", |receipt| receipt.usage.reasoning += 1),
            ("cache_write_long_tokens", |receipt| receipt.usage.cache_write_long += 1),
            ("input_audio_tokens", |receipt| receipt.usage.input_audio += 1),
            ("input_image_tokens", |receipt| receipt.usage.input_image += 1),
            ("output_audio_tokens", |receipt| receipt.usage.output_audio += 1),
            ("output_image_tokens", |receipt| receipt.usage.output_image += 1),
        ];
        for (column, flip) in flips {
            let mut receipt = sound.clone();
            flip(&mut receipt);
            assert!(check(&receipt, &book).difference.is_some(), "{column}");
        }
        let (amount, uncollected, held) =
            (plus(sound.amount), plus(sound.uncollected), sound.amount.checked_sub(one).unwrap());
        for (column, changed) in [
            ("amount", Receipt { amount, ..sound.clone() }),
            ("uncollected", Receipt { uncollected, ..sound.clone() }),
            ("held", Receipt { held, ..sound.clone() }),
            ("both", Receipt { amount, uncollected: sound.uncollected.checked_sub(one).unwrap(), ..sound.clone() }),
        ] {
            assert!(check(&changed, &book).difference.is_some(), "{column}");
        }
    }

    #[test]
    fn a_late_settle_that_got_a_part_computes_again() {
        let (book, sound) = receipt();
        let part = Credits::from_micro(7);
        let cost = sound.amount.checked_add(sound.uncollected).unwrap();
        let late = Receipt { amount: part, uncollected: cost.checked_sub(part).unwrap(), ..sound };
        assert_eq!(check(&late, &book).difference, None);
        assert!(check(&Receipt { uncollected: Credits::ZERO, ..late }, &book).difference.is_some());
    }

    #[test]
    fn ids_are_cut_at_the_millisecond() {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let id = HoldId::new(&clock);
        assert!(first_id_at(clock.now()) <= id);
        assert!(first_id_at(clock.now() + chrono::Duration::milliseconds(1)) > id);
    }
}
