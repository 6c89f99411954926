//! The gauges of money: sums over all accounts. The spec's gauge had a label per user; that would publish everybody's balance and
//! grow without bound (security.md §2 row 28).

use hub_store::{StoreError, accounts, holds, jobs};
use hub_types::Credits;

use crate::Hub;

/// Sets `user_credit_balance` and `user_credit_held` (credits, all users together), `credit_holds_open` and `jobs_waiting`.
pub async fn measure(hub: &Hub) -> Result<(), StoreError> {
    let mut tx = hub.store.read().await?;
    let (balance, held) = accounts::totals(&mut tx).await?;
    let open = holds::count_open(&mut tx).await?;
    let (waiting, failed) = jobs::counts(&mut tx).await?;
    metrics::gauge!("user_credit_balance").set(decimal(balance));
    metrics::gauge!("user_credit_held").set(decimal(held));
    metrics::gauge!("credit_holds_open").set(count(open));
    metrics::gauge!("jobs_waiting").set(count(waiting));
    metrics::gauge!("jobs_failed").set(count(failed));
    Ok(())
}

/// Counts what calls cost beyond what could be charged for them, in micro-credits: `credits_uncollected_micro_total`.
pub(super) fn uncollected(amount: Credits) {
    let micro = u64::try_from(amount.micro()).unwrap_or(0);
    if micro > 0 {
        metrics::counter!("credits_uncollected_micro_total").increment(micro);
    }
}

/// Gauges are floats; a graph needs no more than their precision.
fn decimal(amount: Credits) -> f64 {
    amount.to_string().parse().unwrap_or(f64::NAN)
}

fn count(number: i64) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}
