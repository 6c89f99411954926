//! Reading the ledger of one account: pages, sums and single rows. Changes nothing.

use hub_types::{Timestamp, UserId};

use crate::ledger::{Kind, Row, Transaction};
use crate::search::containing;
use crate::{Result, Tx};

/// Which rows are meant; `$find` is how the engine compares with a pattern. '' stands for any kind, 0 for either direction.
macro_rules! wanted {
    ($find:literal) => {
        concat!(
            " WHERE t.user_id = $1 AND ($2 = '' OR t.kind = $2) AND t.created_at >= $3 AND t.created_at < $4 AND t.amount * $5 >= 0
                AND abs(t.amount) >= $6
                AND (t.reason ",
            $find,
            " $7 OR EXISTS (SELECT 1 FROM receipts r WHERE r.id = t.hold_id AND r.request_id = $8))"
        )
    };
}

// Newest first. The version is gapless per account, so it is cursor and order in one.
macro_rules! list {
    ($find:literal) => {
        concat!(
            "SELECT t.id, t.user_id, t.kind, t.amount, t.balance_after, t.account_version, t.idem_hash, t.hold_id, t.actor_id, t.reason,
               t.metadata, t.created_at
             FROM credit_transactions t",
            wanted!($find),
            " AND t.account_version < $9 ORDER BY t.account_version DESC LIMIT $10 OFFSET $11"
        )
    };
}

macro_rules! totals {
    ($find:literal) => {
        concat!(
            "SELECT COUNT(*), CAST(COALESCE(SUM(t.amount) FILTER (WHERE t.amount > 0), 0) AS BIGINT),
               CAST(COALESCE(SUM(-t.amount) FILTER (WHERE t.amount < 0), 0) AS BIGINT)
             FROM credit_transactions t",
            wanted!($find)
        )
    };
}

statements! {
    LIST = postgres: list!("~"), lite: list!("GLOB");
    TOTALS = postgres: totals!("~"), lite: totals!("GLOB");
}

/// Which way money went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the account.
    Credit,
    /// From the account.
    Debit,
}

/// Which rows of an account are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Whose.
    pub user: UserId,
    /// Only this kind.
    pub kind: Option<Kind>,
    /// Not before.
    pub from: Timestamp,
    /// Before, exclusive.
    pub to: Timestamp,
    /// Only this direction.
    pub direction: Option<Direction>,
    /// Moved at least this much either way, in micro-credits.
    pub least: i64,
    /// Stands in the reason (case does not matter), or is the id of the request the row paid for.
    pub text: Option<String>,
}

impl Filter {
    /// All rows of an account.
    pub fn all(user: UserId) -> Self {
        let (from, to) = (Timestamp::UNIX_EPOCH, end_of_time());
        Self { user, kind: None, from, to, direction: None, least: 0, text: None }
    }

    fn kind(&self) -> &'static str {
        self.kind.map_or("", Kind::as_str)
    }

    /// What a wanted amount is not below zero with.
    const fn sign(&self) -> i64 {
        match self.direction {
            None => 0,
            Some(Direction::Credit) => 1,
            Some(Direction::Debit) => -1,
        }
    }

    fn pattern(&self, tx: &Tx) -> String {
        containing(tx, self.text.as_deref().unwrap_or_default())
    }
}

/// After every row there can be, and still four digits of a year: times are compared as text on SQLite.
fn end_of_time() -> Timestamp {
    Timestamp::from_timestamp(253_402_300_799, 0).unwrap_or(Timestamp::MAX_UTC)
}

/// A part of the rows that fit, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only rows with a smaller version; `None` starts at the newest.
    pub before_version: Option<i64>,
    /// Rows at most.
    pub limit: i64,
    /// Rows to skip (the spec's paging; cursors are cheaper).
    pub offset: i64,
}

/// What the rows that fit come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// How many.
    pub rows: i64,
    /// Given, in micro-credits.
    pub credited: i64,
    /// Taken, in micro-credits.
    pub debited: i64,
}

/// One page of an account's history, newest first.
pub async fn list(tx: &mut Tx, filter: &Filter, page: Page) -> Result<Vec<Transaction>> {
    let pattern = filter.pattern(tx);
    let rows: Vec<Row> = run!(
        tx,
        rows,
        LIST,
        filter.user.0,
        filter.kind(),
        filter.from,
        filter.to,
        filter.sign(),
        filter.least,
        pattern.as_str(),
        filter.text.as_deref().unwrap_or_default(),
        page.before_version.unwrap_or(i64::MAX),
        page.limit,
        page.offset
    )?;
    Ok(rows.into_iter().map(Transaction::from).collect())
}

/// What the rows that fit come to.
pub async fn totals(tx: &mut Tx, filter: &Filter) -> Result<Totals> {
    let pattern = filter.pattern(tx);
    let row: Option<(i64, i64, i64)> = run!(
        tx,
        row,
        TOTALS,
        filter.user.0,
        filter.kind(),
        filter.from,
        filter.to,
        filter.sign(),
        filter.least,
        pattern.as_str(),
        filter.text.as_deref().unwrap_or_default()
    )?;
    Ok(row.map_or_else(Totals::default, |(rows, credited, debited)| Totals { rows, credited, debited }))
}
