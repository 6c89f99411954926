//! Payments taken back: refunds and disputes, and the only movements that may take a balance below what is there.
//!
//! Lock order: payment → order → account. Guards are in the statements; what follows from a reversal is `hub_domain::payments`.

use hub_types::{Credits, Timestamp, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::accounts::After;
use crate::ledger::{self, Posting, Transaction};
use crate::{Result, Tx};

statements! {
    // Locks the payment's row, made when missing: whoever comes second sees what the first one wrote.
    LOCK_PAYMENT = "INSERT INTO payments (provider, payment, touched_at) VALUES ($1, $2, $3)
                    ON CONFLICT (provider, payment) DO UPDATE SET touched_at = excluded.touched_at";
    // Events come in any order: an amount only grows, and the latest word about the state stays.
    NOTE = "INSERT INTO payment_reversals (provider, reversal_id, payment, kind, state, stamp, amount_minor, currency, taken, moves,
              created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, $9, $9)
            ON CONFLICT (provider, reversal_id) DO UPDATE SET
              amount_minor = CASE WHEN excluded.amount_minor > payment_reversals.amount_minor
                               THEN excluded.amount_minor ELSE payment_reversals.amount_minor END,
              state = CASE WHEN excluded.stamp >= payment_reversals.stamp THEN excluded.state ELSE payment_reversals.state END,
              stamp = CASE WHEN excluded.stamp >= payment_reversals.stamp THEN excluded.stamp ELSE payment_reversals.stamp END,
              updated_at = excluded.updated_at";
    OF_PAYMENT = "SELECT reversal_id, kind, state, amount_minor, currency, taken, moves FROM payment_reversals
                  WHERE provider = $1 AND payment = $2 ORDER BY kind DESC, created_at, reversal_id";
    // The same note again is no news.
    NOTE_REFUND = "INSERT INTO payment_refund_notes (provider, note, payment, charge, seen_at, refunded_minor, failed_minor)
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (provider, note) DO NOTHING";
    REFUND_NOTES = "SELECT charge, seen_at, refunded_minor, failed_minor FROM payment_refund_notes WHERE provider = $1 AND payment = $2";
    SET_TAKEN = "UPDATE payment_reversals SET taken = $3, moves = moves + 1, updated_at = $4 WHERE provider = $1 AND reversal_id = $2";
    // Signed, and without the guard of a charge: the money is gone already. An account that has less than it promised is frozen.
    MOVE = "UPDATE credit_accounts SET balance = balance + $2, version = version + 1, updated_at = $3,
              frozen_for = CASE WHEN status = 'active' AND balance + $2 + overdraft_limit - held < 0 THEN 'payment' ELSE frozen_for END,
              status = CASE WHEN status = 'active' AND balance + $2 + overdraft_limit - held < 0 THEN 'frozen' ELSE status END
            WHERE user_id = $1 RETURNING balance, version";
    FREEZE = "UPDATE credit_accounts SET status = 'frozen', frozen_for = 'payment', updated_at = $2
              WHERE user_id = $1 AND (status = 'active' OR (status = 'frozen' AND frozen_for = 'payment'))";
    FROZEN = postgres: "SELECT user_id FROM credit_accounts WHERE status = 'frozen' AND frozen_for = 'payment' AND user_id > $1
                        ORDER BY user_id LIMIT $2 FOR UPDATE",
             lite: "SELECT user_id FROM credit_accounts WHERE status = 'frozen' AND frozen_for = 'payment' AND user_id > $1
                    ORDER BY user_id LIMIT $2";
    ANY_FROZEN = "SELECT 1 FROM credit_accounts WHERE status = 'frozen' AND frozen_for = 'payment' LIMIT 1";
    LOCK_ACCOUNT = postgres: "SELECT user_id FROM credit_accounts WHERE user_id = $1 FOR UPDATE",
                   lite: "SELECT user_id FROM credit_accounts WHERE user_id = $1";
    THAW = "UPDATE credit_accounts SET status = 'active', frozen_for = NULL, updated_at = $2
            WHERE user_id = $1 AND status = 'frozen' AND frozen_for = 'payment' AND balance + overdraft_limit - held >= 0
              AND NOT EXISTS (SELECT 1 FROM payment_reversals r
                              JOIN orders o ON o.payment_provider = r.provider AND o.provider_payment = r.payment
                              WHERE o.user_id = $1 AND r.kind = 'dispute' AND r.state = 'open')";
}

/// What was taken back of a payment.
#[derive(Debug, Clone)]
pub struct NewReversal<'a> {
    /// Who took the payment.
    pub provider: &'a str,
    /// The provider's id of the refunded charge or of the dispute.
    pub id: &'a str,
    /// Of which payment.
    pub payment: &'a str,
    /// `refund` or `dispute`.
    pub kind: &'static str,
    /// `open`, `lost` or `won`; a refund is `lost`.
    pub state: &'static str,
    /// Says which of two words about the state is the later one: the greater.
    pub stamp: i64,
    /// How much in all, in the smallest unit of the currency.
    pub amount_minor: i64,
    /// ISO 4217, lower case.
    pub currency: &'a str,
    /// When it became known.
    pub at: Timestamp,
}

/// The same as stored.
#[derive(Debug, Clone, FromRow)]
pub struct Reversal {
    /// The provider's id of it.
    #[sqlx(rename = "reversal_id")]
    pub id: String,
    /// `refund` or `dispute`.
    pub kind: String,
    /// `open`, `lost` or `won`.
    pub state: String,
    /// How much in all, in the smallest unit of the currency.
    pub amount_minor: i64,
    /// ISO 4217, lower case.
    pub currency: String,
    taken: i64,
    /// How often the ledger moved for it.
    pub moves: i64,
}

impl Reversal {
    /// What the ledger took for it so far.
    pub const fn taken(&self) -> Credits {
        Credits::from_micro(self.taken)
    }
}

/// Holds a payment against other events about it until the transaction ends.
pub async fn lock_payment(tx: &mut Tx, provider: &str, payment: &str, now: Timestamp) -> Result<()> {
    run!(tx, execute, LOCK_PAYMENT, provider, payment, now)?;
    Ok(())
}

/// Notes a reversal, or what is newly known of one.
pub async fn note(tx: &mut Tx, new: &NewReversal<'_>) -> Result<()> {
    let NewReversal { provider, id, payment, kind, state, stamp, amount_minor, currency, at } = *new;
    run!(tx, execute, NOTE, provider, id, payment, kind, state, stamp, amount_minor, currency, at)?;
    Ok(())
}

/// What a provider said about the refunds of a charge.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct RefundNote {
    /// Of which charge.
    pub charge: String,
    /// When that was so, in seconds of Unix time.
    pub seen_at: i64,
    /// What was refunded in all by then; zero where a failure is told.
    pub refunded_minor: i64,
    /// What came back of one refund; zero where a sum is told.
    pub failed_minor: i64,
}

/// Keeps a note about a payment's refunds under its name; one that is known changes nothing.
pub async fn note_refund(tx: &mut Tx, provider: &str, name: &str, payment: &str, note: &RefundNote) -> Result<()> {
    let RefundNote { charge, seen_at, refunded_minor, failed_minor } = note;
    run!(tx, execute, NOTE_REFUND, provider, name, payment, charge, *seen_at, *refunded_minor, *failed_minor)?;
    Ok(())
}

/// All notes about a payment's refunds.
pub async fn refund_notes(tx: &mut Tx, provider: &str, payment: &str) -> Result<Vec<RefundNote>> {
    Ok(run!(tx, rows, REFUND_NOTES, provider, payment)?)
}

/// Everything taken back of a payment; refunds before disputes.
pub async fn of_payment(tx: &mut Tx, provider: &str, payment: &str) -> Result<Vec<Reversal>> {
    Ok(run!(tx, rows, OF_PAYMENT, provider, payment)?)
}

/// Posts a movement of a payment that was taken back (or given back again), also below zero, and notes what the reversal took in all.
/// `Duplicate` when the key was posted before; `None` when the account does not exist.
pub async fn post(
    tx: &mut Tx,
    provider: &str,
    reversal: &str,
    taken: Credits,
    posting: &Posting,
) -> Result<Option<Transaction>> {
    let row: Option<(i64, i64)> = run!(tx, row, MOVE, posting.user.0, posting.amount.micro(), posting.at)?;
    let Some((balance, version)) = row else { return Ok(None) };
    run!(tx, execute, SET_TAKEN, provider, reversal, taken.micro(), posting.at)?;
    ledger::insert(tx, posting, After { balance, version }).await.map(Some)
}

/// Freezes an account for an open dispute; `false` when it is closed or frozen by somebody.
pub async fn freeze(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, FREEZE, user.0, now)? == 1)
}

/// Up to `limit` accounts after `after` that payments froze, locked in their order.
pub async fn frozen(tx: &mut Tx, after: Option<UserId>, limit: i64) -> Result<Vec<UserId>> {
    let ids: Vec<Uuid> = run!(tx, scalars, FROZEN, after.map_or(Uuid::nil(), |id| id.0), limit)?;
    Ok(ids.into_iter().map(UserId).collect())
}

/// True while some account is frozen for a payment.
pub async fn any_frozen(tx: &mut Tx) -> Result<bool> {
    let found: Option<i32> = run!(tx, scalar, ANY_FROZEN)?;
    Ok(found.is_some())
}

/// Lifts what a payment froze, once no dispute is open and nothing is owed; `false` when there is nothing to lift, or not yet.
pub async fn thaw(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<bool> {
    // The account first: after waiting for it, the next statement sees every dispute that was noted meanwhile.
    let _locked: Option<Uuid> = run!(tx, scalar, LOCK_ACCOUNT, user.0)?;
    Ok(run!(tx, execute, THAW, user.0, now)? == 1)
}
