//! Orders of credit packages and their invoices. Stores what happened to an order; whether a payment counts is `hub_domain::payments`.

use hub_types::{Credits, OrderId, Timestamp, UserId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    INSERT = "INSERT INTO orders (id, user_id, package, name, credits, paid_minor, currency, status, payment_provider, idem_key, created_at,
                updated_at)
              VALUES ($1, $2, $3, $4, $5, $6, $7, 'created', $8, $9, $10, $10) ON CONFLICT (user_id, idem_key) DO NOTHING";
    GET = "SELECT id, user_id, package, name, credits, paid_minor, currency, status, payment_provider, provider_session, provider_payment,
             checkout_url, refunded_minor, paid_at, created_at, updated_at FROM orders WHERE id = $1";
    BY_KEY = "SELECT id, user_id, package, name, credits, paid_minor, currency, status, payment_provider, provider_session, provider_payment,
                checkout_url, refunded_minor, paid_at, created_at, updated_at FROM orders WHERE user_id = $1 AND idem_key = $2";
    BY_SESSION = "SELECT id, user_id, package, name, credits, paid_minor, currency, status, payment_provider, provider_session,
                    provider_payment, checkout_url, refunded_minor, paid_at, created_at, updated_at
                  FROM orders WHERE provider_session = $1";
    // Events about one order wait for each other; SQLite has one writer anyway.
    LOCK = postgres: "SELECT id, user_id, package, name, credits, paid_minor, currency, status, payment_provider, provider_session,
                        provider_payment, checkout_url, refunded_minor, paid_at, created_at, updated_at
                      FROM orders WHERE id = $1 FOR UPDATE",
           lite: "SELECT id, user_id, package, name, credits, paid_minor, currency, status, payment_provider, provider_session,
                    provider_payment, checkout_url, refunded_minor, paid_at, created_at, updated_at FROM orders WHERE id = $1";
    OF_PAYMENT = "SELECT id FROM orders WHERE payment_provider = $1 AND provider_payment = $2";
    LIST = "SELECT id, user_id, package, name, credits, paid_minor, currency, status, payment_provider, provider_session, provider_payment,
              checkout_url, refunded_minor, paid_at, created_at, updated_at
            FROM orders WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    COUNT_OPEN = "SELECT COUNT(*) FROM orders WHERE user_id = $1 AND status IN ('created', 'pending') AND created_at > $2";
    OPENED = "UPDATE orders SET status = 'pending', provider_session = $2, checkout_url = $3, updated_at = $4
              WHERE id = $1 AND status = 'created'";
    // The provider will never open it; its key is free for another try.
    NOT_OPENED = "UPDATE orders SET status = 'failed', idem_key = NULL, updated_at = $2 WHERE id = $1 AND status = 'created'";
    // The guard of every credit: an order is paid once.
    PAID = "UPDATE orders SET status = 'paid', provider_session = $2, provider_payment = $3, paid_at = $4, updated_at = $4
            WHERE id = $1 AND paid_at IS NULL";
    NOT_PAID = "UPDATE orders SET status = $2, updated_at = $3 WHERE id = $1 AND paid_at IS NULL AND status <> $2";
    REVERSED = "UPDATE orders SET status = $2, refunded_minor = $3, updated_at = $4 WHERE id = $1 AND paid_at IS NOT NULL";
    // A checkout whose opening was never heard of again, and one of the sandbox, which tells no expiry.
    EXPIRE = "UPDATE orders SET status = 'expired', updated_at = $1
              WHERE status IN ('created', 'pending') AND (status = 'created' OR payment_provider = 'sandbox') AND created_at < $2";
    NUMBER = "INSERT INTO invoice_series (series, last_number) VALUES ($1, 1)
              ON CONFLICT (series) DO UPDATE SET last_number = invoice_series.last_number + 1 RETURNING last_number";
    ISSUE = "INSERT INTO invoices (series, number, order_id, content, issued_at) VALUES ($1, $2, $3, $4, $5)";
    INVOICE = "SELECT series, number, content, issued_at FROM invoices WHERE order_id = $1";
}

/// An order to be made.
#[derive(Debug, Clone)]
pub struct NewOrder<'a> {
    /// Its id.
    pub id: OrderId,
    /// Who buys.
    pub user: UserId,
    /// Id of the package.
    pub package: &'a str,
    /// The package's name as it was shown.
    pub name: &'a str,
    /// What is bought; above zero.
    pub credits: Credits,
    /// Its price, in the smallest unit of the currency.
    pub price_minor: i64,
    /// ISO 4217, lower case.
    pub currency: &'a str,
    /// Who takes the payment.
    pub provider: &'a str,
    /// The client's `Idempotency-Key`.
    pub key: Option<&'a str>,
    /// When.
    pub at: Timestamp,
}

/// An order as stored.
#[derive(Debug, Clone, FromRow)]
pub struct Order {
    /// Its id.
    #[sqlx(try_from = "Uuid")]
    pub id: OrderId,
    /// Who buys.
    #[sqlx(rename = "user_id", try_from = "Uuid")]
    pub user: UserId,
    /// Id of the package.
    pub package: String,
    /// The package's name as it was shown.
    pub name: String,
    credits: i64,
    /// Its price, in the smallest unit of the currency.
    #[sqlx(rename = "paid_minor")]
    pub price_minor: i64,
    /// ISO 4217, lower case.
    pub currency: String,
    /// `created`, `pending`, `paid`, `failed`, `expired`, `refunded` or `disputed`.
    pub status: String,
    /// Who takes the payment.
    #[sqlx(rename = "payment_provider")]
    pub provider: String,
    /// The provider's id of the checkout.
    #[sqlx(rename = "provider_session")]
    pub session: Option<String>,
    /// The provider's id of the payment; set once it succeeded.
    #[sqlx(rename = "provider_payment")]
    pub payment: Option<String>,
    /// Where the buyer pays.
    pub checkout_url: Option<String>,
    /// What was refunded so far, in the smallest unit of the currency.
    pub refunded_minor: i64,
    /// When the payment was credited.
    pub paid_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
}

impl Order {
    /// What is bought.
    pub const fn credits(&self) -> Credits {
        Credits::from_micro(self.credits)
    }
}

/// An invoice as issued.
#[derive(Debug, Clone)]
pub struct StoredInvoice {
    /// `invoice`, or `sandbox` for payments that were none.
    pub series: String,
    /// Gapless within the series, from 1.
    pub number: i64,
    /// Seller and buyer as they were.
    pub content: Value,
    /// When.
    pub issued_at: Timestamp,
}

/// Makes an order; `false` when the user has one under this key.
pub async fn insert(tx: &mut Tx, order: &NewOrder<'_>) -> Result<bool> {
    let done = run!(
        tx,
        execute,
        INSERT,
        order.id.0,
        order.user.0,
        order.package,
        order.name,
        order.credits.micro(),
        order.price_minor,
        order.currency,
        order.provider,
        order.key,
        order.at,
    )?;
    Ok(done == 1)
}

/// An order; the caller checks whose it is before showing it.
pub async fn get(tx: &mut Tx, id: OrderId) -> Result<Option<Order>> {
    Ok(run!(tx, row, GET, id.0)?)
}

/// The user's order under this key.
pub async fn by_key(tx: &mut Tx, user: UserId, key: &str) -> Result<Option<Order>> {
    Ok(run!(tx, row, BY_KEY, user.0, key)?)
}

/// The order of a checkout.
pub async fn by_session(tx: &mut Tx, session: &str) -> Result<Option<Order>> {
    Ok(run!(tx, row, BY_SESSION, session)?)
}

/// An order, held against other events until the transaction ends.
pub async fn lock(tx: &mut Tx, id: OrderId) -> Result<Option<Order>> {
    Ok(run!(tx, row, LOCK, id.0)?)
}

/// Which order this payment paid.
pub async fn of_payment(tx: &mut Tx, provider: &str, payment: &str) -> Result<Option<OrderId>> {
    let id: Option<Uuid> = run!(tx, scalar, OF_PAYMENT, provider, payment)?;
    Ok(id.map(OrderId))
}

/// Up to `limit` orders of a user, newest first, those made before `before`.
pub async fn list(tx: &mut Tx, user: UserId, before: Option<OrderId>, limit: i64) -> Result<Vec<Order>> {
    Ok(run!(tx, rows, LIST, user.0, before.map_or(Uuid::max(), |id| id.0), limit)?)
}

/// How many orders of the user since `since` wait for a payment.
pub async fn count_open(tx: &mut Tx, user: UserId, since: Timestamp) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, COUNT_OPEN, user.0, since)?;
    Ok(count.unwrap_or(0))
}

/// Notes where the buyer pays; `false` when that was noted before.
pub async fn opened(tx: &mut Tx, id: OrderId, session: &str, url: &str, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, OPENED, id.0, session, url, now)? == 1)
}

/// Notes that the provider refused to open a checkout, and frees the order's key.
pub async fn not_opened(tx: &mut Tx, id: OrderId, now: Timestamp) -> Result<()> {
    run!(tx, execute, NOT_OPENED, id.0, now)?;
    Ok(())
}

/// Marks an order paid; `false` when it was before. `Duplicate`: this payment or session belongs to another order.
pub async fn paid(tx: &mut Tx, id: OrderId, session: &str, payment: &str, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, PAID, id.0, session, payment, now)? == 1)
}

/// Notes `failed`, `expired` or `pending` on an order that is not paid.
pub async fn not_paid(tx: &mut Tx, id: OrderId, status: &str, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, NOT_PAID, id.0, status, now)? == 1)
}

/// Notes what became of a paid order.
pub async fn reversed(tx: &mut Tx, id: OrderId, status: &str, refunded_minor: i64, now: Timestamp) -> Result<()> {
    run!(tx, execute, REVERSED, id.0, status, refunded_minor, now)?;
    Ok(())
}

/// Ends orders older than `before` of which nothing more will be heard; returns how many.
pub async fn expire(tx: &mut Tx, before: Timestamp, now: Timestamp) -> Result<u64> {
    Ok(run!(tx, execute, EXPIRE, now, before)?)
}

/// Issues the invoice of an order under the next number of the series, which it returns. `Duplicate`: the order has one.
pub async fn issue(tx: &mut Tx, series: &str, order: OrderId, content: &Value, now: Timestamp) -> Result<i64> {
    let number: Option<i64> = run!(tx, scalar, NUMBER, series)?;
    let number = number.ok_or(crate::StoreError::Corrupt("a series of invoices"))?;
    run!(tx, execute, ISSUE, series, number, order.0, Json(content), now)?;
    Ok(number)
}

/// The invoice of an order.
pub async fn invoice(tx: &mut Tx, order: OrderId) -> Result<Option<StoredInvoice>> {
    let row: Option<(String, i64, Json<Value>, Timestamp)> = run!(tx, row, INVOICE, order.0)?;
    Ok(row.map(|(series, number, Json(content), issued_at)| StoredInvoice { series, number, content, issued_at }))
}
