//! The questions of `hub ledger verify` about orders: what each gave, what was taken back of it, and its invoice.
//!
//! What a payment that was taken back is due is a rule: `hub_domain::payments` computes it again for the orders that `touched` names.

use hub_types::{Credits, OrderId, UserId};
use uuid::Uuid;

use crate::verify::{AccountFault, NAMED, NamedFault, RowFault};
use crate::{Result, Tx};

statements! {
    PAID = "SELECT o.id, o.credits, COALESCE(t.amount, 0) FROM orders o
            LEFT JOIN credit_transactions t
              ON t.user_id = o.user_id AND t.idem_key = o.payment_provider || ':' || o.provider_payment AND t.kind = 'purchase'
            WHERE o.paid_at IS NOT NULL AND (t.id IS NULL OR t.amount <> o.credits) LIMIT $1";
    SAYS = "SELECT id, CAST(CASE WHEN status IN ('paid', 'refunded', 'disputed') THEN 1 ELSE 0 END AS BIGINT),
              CAST(CASE WHEN paid_at IS NULL THEN 0 ELSE 1 END AS BIGINT)
            FROM orders WHERE (status IN ('paid', 'refunded', 'disputed')) <> (paid_at IS NOT NULL) LIMIT $1";
    UNKNOWN = "SELECT t.user_id, t.account_version, t.kind, t.amount FROM credit_transactions t
               LEFT JOIN orders o
                 ON o.user_id = t.user_id AND o.payment_provider || ':' || o.provider_payment = t.idem_key AND o.paid_at IS NOT NULL
               WHERE t.kind = 'purchase' AND o.id IS NULL LIMIT $1";
    TAKEN_BACK = "SELECT COALESCE(r.user_id, t.user_id), CAST(COALESCE(r.total, 0) AS BIGINT), CAST(COALESCE(t.total, 0) AS BIGINT)
                  FROM (SELECT o.user_id, SUM(v.taken) AS total FROM payment_reversals v
                        JOIN orders o ON o.payment_provider = v.provider AND o.provider_payment = v.payment GROUP BY o.user_id) r
                  FULL JOIN (SELECT user_id, -SUM(amount) AS total FROM credit_transactions WHERE kind = 'chargeback' GROUP BY user_id) t
                    ON t.user_id = r.user_id
                  WHERE COALESCE(r.total, 0) <> COALESCE(t.total, 0) LIMIT $1";
    STRAY = "SELECT v.reversal_id, v.taken, CAST(0 AS BIGINT) FROM payment_reversals v
             LEFT JOIN orders o ON o.payment_provider = v.provider AND o.provider_payment = v.payment
             WHERE o.id IS NULL AND v.taken <> 0 LIMIT $1";
    NO_INVOICE = "SELECT o.id, CAST(0 AS BIGINT), CAST(1 AS BIGINT) FROM orders o LEFT JOIN invoices i ON i.order_id = o.id
                  WHERE o.paid_at IS NOT NULL AND i.order_id IS NULL LIMIT $1";
    SERIES = "SELECT COALESCE(s.series, i.series), COALESCE(s.last_number, 0), COALESCE(i.numbers, 0) FROM invoice_series s
              FULL JOIN (SELECT series, COUNT(*) AS numbers, MAX(number) AS last FROM invoices GROUP BY series) i ON i.series = s.series
              WHERE s.last_number IS DISTINCT FROM i.numbers OR s.last_number IS DISTINCT FROM i.last LIMIT $1";
    TOUCHED = "SELECT o.id FROM orders o
               WHERE o.id > $1 AND o.paid_at IS NOT NULL
                 AND (o.refunded_minor <> 0 OR o.status <> 'paid'
                   OR EXISTS (SELECT 1 FROM payment_reversals v WHERE v.provider = o.payment_provider AND v.payment = o.provider_payment))
               ORDER BY o.id LIMIT $2";
    POSTED = "SELECT CAST(COALESCE(-SUM(amount), 0) AS BIGINT) FROM credit_transactions
              WHERE user_id = $1 AND kind = 'chargeback' AND metadata->>'order' = $2";
}

/// Paid orders that gave something else than they sold, or nothing.
pub async fn paid(tx: &mut Tx) -> Result<Vec<NamedFault>> {
    let rows: Vec<(Uuid, i64, i64)> = run!(tx, rows, PAID, NAMED)?;
    Ok(rows.into_iter().map(of_order).collect())
}

/// Orders whose status says something else than whether they were paid: 1 for paid, 0 for not.
pub async fn says(tx: &mut Tx) -> Result<Vec<NamedFault>> {
    let rows: Vec<(Uuid, i64, i64)> = run!(tx, rows, SAYS, NAMED)?;
    Ok(rows.into_iter().map(of_order).collect())
}

/// Purchases that no paid order explains.
pub async fn unknown(tx: &mut Tx) -> Result<Vec<RowFault>> {
    let rows: Vec<(Uuid, i64, String, i64)> = run!(tx, rows, UNKNOWN, NAMED)?;
    Ok(rows.into_iter().map(RowFault::from).collect())
}

/// Accounts from which the ledger took another amount for payments taken back than their reversals say.
pub async fn taken_back(tx: &mut Tx) -> Result<Vec<AccountFault>> {
    let rows: Vec<(Uuid, i64, i64)> = run!(tx, rows, TAKEN_BACK, NAMED)?;
    let fault = |(user, stored, computed)| AccountFault { user: UserId(user), stored, computed };
    Ok(rows.into_iter().map(fault).collect())
}

/// Reversals that say they took something though no order knows their payment.
pub async fn stray(tx: &mut Tx) -> Result<Vec<NamedFault>> {
    let rows: Vec<(String, i64, i64)> = run!(tx, rows, STRAY, NAMED)?;
    let fault = |(id, stored, computed)| NamedFault { what: format!("reversal {id}"), stored, computed };
    Ok(rows.into_iter().map(fault).collect())
}

/// Paid orders without an invoice.
pub async fn without_invoice(tx: &mut Tx) -> Result<Vec<NamedFault>> {
    let rows: Vec<(Uuid, i64, i64)> = run!(tx, rows, NO_INVOICE, NAMED)?;
    Ok(rows.into_iter().map(of_order).collect())
}

/// Series of invoices whose last number is not the count of their invoices.
pub async fn series(tx: &mut Tx) -> Result<Vec<NamedFault>> {
    let rows: Vec<(String, i64, i64)> = run!(tx, rows, SERIES, NAMED)?;
    let fault = |(name, stored, computed)| NamedFault { what: format!("series {name}"), stored, computed };
    Ok(rows.into_iter().map(fault).collect())
}

/// Paid orders of which something was, or seems to be, taken back, in order of id, those after `after`.
pub async fn touched(tx: &mut Tx, after: Option<OrderId>, limit: i64) -> Result<Vec<OrderId>> {
    let ids: Vec<Uuid> = run!(tx, scalars, TOUCHED, after.map_or(Uuid::nil(), |id| id.0), limit)?;
    Ok(ids.into_iter().map(OrderId).collect())
}

/// What the ledger took from this account for payments of the order that were taken back.
pub async fn posted(tx: &mut Tx, user: UserId, order: OrderId) -> Result<Credits> {
    let taken: Option<i64> = run!(tx, scalar, POSTED, user.0, order.to_string())?;
    Ok(Credits::from_micro(taken.unwrap_or(0)))
}

fn of_order((order, stored, computed): (Uuid, i64, i64)) -> NamedFault {
    NamedFault { what: format!("order {order}"), stored, computed }
}
