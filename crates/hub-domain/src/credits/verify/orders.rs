//! Orders and payments taken back, against their ledger rows and each other.

use hub_store::orders::{self, Order};
use hub_store::{StoreError, Tx, reversals, verify_orders as questions};
use hub_types::Credits;

use super::{Check, Depth, of_accounts, of_named, of_rows};
use crate::payments::Standing;

/// Orders looked up at a time.
const PAGE: i64 = 100;
/// Culprits named at most.
const NAMED: usize = 100;

/// Adds what is asked about orders.
pub(super) async fn check(tx: &mut Tx, depth: Depth, checks: &mut Vec<Check>) -> Result<(), StoreError> {
    checks.extend([
        of_named("every paid order gave what it sold", questions::paid(tx).await?),
        of_named("every order says whether it was paid", questions::says(tx).await?),
        of_accounts("what payments taken back took is what their rows took", questions::taken_back(tx).await?),
        of_named("nothing is taken for a payment that paid no order", questions::stray(tx).await?),
        of_named("every paid order has an invoice", questions::without_invoice(tx).await?),
        of_named("every series of invoices counts without a gap", questions::series(tx).await?),
    ]);
    if depth == Depth::Full {
        checks.push(of_rows("every purchase has its paid order", questions::unknown(tx).await?));
        checks.push(taken_back(tx).await?);
    }
    Ok(())
}

/// Works out again what every payment that was taken back comes to.
async fn taken_back(tx: &mut Tx) -> Result<Check, StoreError> {
    let mut faults = Vec::new();
    let mut last = None;
    while faults.len() < NAMED {
        let page = questions::touched(tx, last, PAGE).await?;
        let Some(newest) = page.last() else { break };
        last = Some(*newest);
        for id in page {
            if let Some(order) = orders::get(tx, id).await? {
                compare(tx, &order, &mut faults).await?;
            }
        }
    }
    faults.truncate(NAMED);
    Ok(Check { name: "every order and reversal is as what is known of its payment says", faults })
}

async fn compare(tx: &mut Tx, order: &Order, faults: &mut Vec<String>) -> Result<(), StoreError> {
    let payment = order.payment.as_deref().unwrap_or_default();
    let known = reversals::of_payment(tx, &order.provider, payment).await?;
    let notes = reversals::refund_notes(tx, &order.provider, payment).await?;
    let taken: Credits = known.iter().map(reversals::Reversal::taken).sum();
    let posted = questions::posted(tx, order.user, order.id).await?;
    let standing = Standing::of(order, known, &notes);
    let id = order.id;
    if order.refunded_minor != standing.refunded_minor {
        faults.push(format!(
            "order {id}: stored {} refunded, computed {}",
            order.refunded_minor, standing.refunded_minor
        ));
    }
    if order.status != standing.status {
        faults.push(format!("order {id}: stored {}, computed {}", order.status, standing.status));
    }
    if taken != posted {
        faults.push(format!("order {id}: its reversals took {taken}, its rows {posted}"));
    }
    for (reversal, due) in &standing.dues {
        if reversal.taken() != *due {
            faults.push(format!("reversal {} of order {id}: stored {}, computed {due}", reversal.id, reversal.taken()));
        }
    }
    Ok(())
}
