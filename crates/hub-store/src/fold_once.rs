//! A whole batch at once, when everything in it is as hoped: no budget, every key new, every account able to pay for all of its part.
//! On PostgreSQL it is one statement, which is its own transaction: one round trip, nothing to begin. On SQLite it is one text of
//! statements from BEGIN to COMMIT: the connection's thread is woken once, and answers once.
//!
//! The guards are in the statements and judge an account's part as a whole: `needed` is what the account must be able to spend so that none
//! of its movements is refused. On PostgreSQL an account that cannot is left as it is with all its rows, and its movements are decided one
//! after the other under locks (`fold`); when it has a hold that ends, or a hold is not as it is remembered, nothing at all happens. On
//! SQLite nothing happens in either case.
//! Lock order as everywhere: holds, then accounts sorted by id. The one place that takes the store and not a transaction: it is one.

use std::sync::{Arc, OnceLock};

use hub_types::{Credits, Timestamp, UserId};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{Postgres, Sqlite};
use uuid::Uuid;

use crate::fold_rows::{LedgerRow, OpenedRow, Paper, PartRow, ending};
use crate::holds::{End, Hold, NewHold};
use crate::ledger::Posting;
use crate::receipts::Receipt;
use crate::usage::UsageRow;
use crate::watch::is_silence;
use crate::{Line, Result, Statement, Store, StoreError};

// A text for each shape, so that a batch pays for nothing that is not in it. `(SELECT $n)` keeps the planner from looking at the length of a
// list: it plans once and not for each batch. Those of one account need no order of locks.
statements! {
    // Charges alone.
    POST = postgres: concat!("WITH ", locked!("true"), moved!("(SELECT count(*) FROM locked) > 0"), posted!(), told!()),
           lite: lite_post!();
    POST_ONE = postgres: concat!("WITH ", moved!("true"), posted!(), told!()), lite: lite_post!();
    // Calls that begin.
    OPEN = postgres: concat!("WITH ", locked!("true"), moved!("(SELECT count(*) FROM locked) > 0"), opened!("$10"), told!()),
           lite: lite_open!();
    OPEN_ONE = postgres: concat!("WITH ", moved!("true"), opened!("$10"), told!()), lite: lite_open!();
    // Calls that end, and charges beside them.
    END = postgres: concat!(
              resolved!(),
              locked!("(SELECT count(*) FROM resolved) >= 0"),
              moved!("(SELECT count(*) FROM locked) > 0"),
              posted!(),
              ", ",
              papers!(),
              told_ended!()
          ),
          lite: lite_end!();
    END_ONE = postgres: concat!(
                  resolved!(),
                  moved!("(SELECT count(*) FROM resolved) >= 0"),
                  posted!(),
                  ", ",
                  papers!(),
                  told_ended!()
              ),
              lite: lite_end!();
    // Everything.
    ALL = postgres: concat!(
              resolved!(),
              locked!("(SELECT count(*) FROM resolved) >= 0"),
              moved!("(SELECT count(*) FROM locked) > 0"),
              posted!(),
              ", ",
              papers!(),
              ", ",
              opened!("$31"),
              told_ended!()
          ),
          lite: lite_all!();
    ALL_ONE = postgres: concat!(
                  resolved!(),
                  moved!("(SELECT count(*) FROM resolved) >= 0"),
                  posted!(),
                  ", ",
                  papers!(),
                  ", ",
                  opened!("$31"),
                  told_ended!()
              ),
              lite: lite_all!();
}

/// What `END` and `ALL` fail with on purpose: on PostgreSQL the SQLSTATE of a division by zero, on SQLite the message of `abs`.
const NOT_AS_HOPED: &str = "22012";
const LITE_NOT_AS_HOPED: &str = "integer overflow";

/// What the status of an account must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Must {
    /// Anything: what was held is given back, and charged, whatever the status is.
    Be = 0,
    /// Not closed: it is given something.
    BeOpen = 1,
    /// Active: it pays or promises something.
    BeActive = 2,
}

/// What a batch does to one account.
#[derive(Debug, Clone)]
pub struct Part {
    /// Whose.
    pub user: UserId,
    /// What must be spendable before; far below zero when nothing needs to be.
    pub needed: Credits,
    /// How far above its first value the balance rises in between; zero or more. It must stay within `Credits::MAX`.
    pub rise: Credits,
    /// What the status must be.
    pub must: Must,
    /// Sum of the ledger rows, signed.
    pub amount: Credits,
    /// Change of what is held, signed.
    pub held: Credits,
    /// Ledger rows.
    pub movements: i64,
    /// Holds that end.
    pub ends: i64,
    /// When.
    pub at: Timestamp,
}

/// A posting and its distance from the last one of its account in this batch.
#[derive(Debug, Clone)]
pub struct Placed {
    /// What is posted.
    pub posting: Posting,
    /// Sum of the account's amounts after it.
    pub after: Credits,
    /// Number of the account's rows after it.
    pub later: i64,
}

/// A hold that ends, with its papers.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The hold as it must still be.
    pub hold: Hold,
    /// How it ends.
    pub end: End,
    /// Its receipt, of the same moment.
    pub receipt: Receipt,
    /// Its usage row.
    pub usage: UsageRow,
}

/// A whole batch.
#[derive(Debug, Default)]
pub struct Once {
    /// The accounts, each once.
    pub parts: Vec<Part>,
    /// Ledger rows.
    pub rows: Vec<Placed>,
    /// Holds to be opened, without budgets.
    pub opened: Vec<NewHold>,
    /// Holds to be resolved, without budgets.
    pub ended: Vec<Ended>,
}

/// What is in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Ledger rows alone.
    Post,
    /// Holds to be opened alone.
    Open,
    /// Holds to be resolved, with ledger rows or not.
    End,
    /// Holds to be opened, and something else.
    All,
}

impl Shape {
    fn of(batch: &Once) -> Self {
        match (batch.rows.is_empty(), batch.opened.is_empty(), batch.ended.is_empty()) {
            (_, true, true) => Self::Post,
            (true, false, true) => Self::Open,
            (_, true, false) => Self::End,
            _ => Self::All,
        }
    }

    /// Its text, for one account or several.
    fn text(self, one: bool) -> Statement {
        match (self, one) {
            (Self::Post, true) => POST_ONE,
            (Self::Post, false) => POST,
            (Self::Open, true) => OPEN_ONE,
            (Self::Open, false) => OPEN,
            (Self::End, true) => END_ONE,
            (Self::End, false) => END,
            (Self::All, true) => ALL_ONE,
            (Self::All, false) => ALL,
        }
    }
}

/// An account that was moved: its last balance and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Moved {
    user_id: Uuid,
    balance: i64,
    version: i64,
}

impl Moved {
    /// Whose.
    pub fn user(&self) -> UserId {
        UserId(self.user_id)
    }

    /// After the last row of the batch.
    pub fn balance(&self) -> Credits {
        Credits::from_micro(self.balance)
    }

    /// Of the last row of the batch.
    pub fn version(&self) -> i64 {
        self.version
    }
}

/// What became of a batch.
#[derive(Debug)]
pub enum Wrote {
    /// These accounts moved, durably; what belongs to others did not happen.
    Moved(Vec<Moved>),
    /// Nothing happened.
    Nothing,
    /// The database went away in the middle: it happened or not.
    Unknown(StoreError),
}

/// Connections to PostgreSQL on which nobody begins a transaction. A statement is its own transaction only where none is open, and a
/// connection of the common pool may have one: a `BEGIN` that was sent by somebody who then went away. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Direct(Arc<OnceLock<Line<Postgres>>>);

/// As many as there are batches at the same time, and one that is on its way back.
const CONNECTIONS: u32 = 3;

impl Direct {
    /// Writes the batch and commits.
    ///
    /// # Errors
    /// Nothing happened. `Duplicate`: a key or hold was used before.
    pub async fn write(&self, store: &Store, batch: &Once) -> Result<Wrote> {
        match store {
            Store::Postgres(line) => on_postgres(self.0.get_or_init(|| beside(line)), batch).await,
            Store::Sqlite { writer, .. } => on_sqlite(writer, batch).await,
        }
    }
}

/// As the others are, with a pool of their own.
fn beside(line: &Line<Postgres>) -> Line<Postgres> {
    let pool = line.pool();
    let options = pool.options().clone().max_connections(CONNECTIONS);
    Line::new(options.connect_lazy_with(pool.connect_options().as_ref().clone()), line.watch().clone())
}

async fn on_postgres(line: &Line<Postgres>, batch: &Once) -> Result<Wrote> {
    macro_rules! column {
        ($rows:expr, $one:ident => $value:expr) => {
            $rows.iter().map(|$one| $value).collect::<Vec<_>>()
        };
    }
    let (parts, rows, shape) = (&batch.parts, &batch.rows, Shape::of(batch));
    let opened = || Json(column!(batch.opened, hold => OpenedRow::from(hold)));
    let query = sqlx::query_as(shape.text(parts.len() == 1).postgres)
        .bind(column!(parts, part => part.user.0))
        .bind(column!(parts, part => part.needed.micro()))
        .bind(column!(parts, part => part.rise.micro()))
        .bind(column!(parts, part => part.must as i64))
        .bind(column!(parts, part => part.amount.micro()))
        .bind(column!(parts, part => part.held.micro()))
        .bind(column!(parts, part => part.movements))
        .bind(column!(parts, part => part.at))
        .bind(column!(parts, part => part.ends));
    let query = if shape == Shape::Open {
        query.bind(opened())
    } else {
        query
            .bind(column!(rows, row => row.posting.id.0))
            .bind(column!(rows, row => row.posting.user.0))
            .bind(column!(rows, row => row.posting.kind.as_str()))
            .bind(column!(rows, row => row.posting.amount.micro()))
            .bind(column!(rows, row => row.after.micro()))
            .bind(column!(rows, row => row.later))
            .bind(column!(rows, row => row.posting.key.as_str()))
            .bind(column!(rows, row => row.posting.request_hash.as_deref()))
            .bind(column!(rows, row => row.posting.hold.map(|hold| hold.0)))
            .bind(column!(rows, row => row.posting.actor.map(|actor| actor.0)))
            .bind(column!(rows, row => row.posting.reason.as_str()))
            .bind(column!(rows, row => Json(&row.posting.metadata)))
            .bind(column!(rows, row => row.posting.at))
    };
    let ended = &batch.ended;
    let query = if matches!(shape, Shape::Post | Shape::Open) {
        query
    } else {
        query
            .bind(column!(ended, one => one.hold.id.0))
            .bind(column!(ended, one => one.hold.price.0))
            .bind(column!(ended, one => one.hold.amount.micro()))
            .bind(column!(ended, one => one.hold.provider.as_str()))
            .bind(column!(ended, one => one.end.as_str()))
            .bind(column!(ended, one => one.receipt.amount.micro()))
            .bind(column!(ended, one => one.receipt.created_at))
            .bind(Json(column!(ended, one => Paper::from(one))))
    };
    let query = if shape == Shape::All { query.bind(opened()) } else { query };
    let mut lent = line.lend().await?;
    let (connection, bound) = lent.parts();
    match bound.wait(query.fetch_all(connection)).await {
        Ok(moved) => Ok(Wrote::Moved(moved)),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NOT_AS_HOPED) => Ok(Wrote::Nothing),
        Err(error) => match StoreError::from(error) {
            error if error.is_unavailable() => Ok(Wrote::Unknown(error)),
            error => Err(error),
        },
    }
}

async fn on_sqlite(writer: &Line<Sqlite>, batch: &Once) -> Result<Wrote> {
    let parts: Vec<PartRow> = batch.parts.iter().map(PartRow::from).collect();
    let rows: Vec<LedgerRow<'_>> = batch.rows.iter().map(LedgerRow::from).collect();
    let ended: Vec<Value> = batch.ended.iter().map(ending).collect();
    let opened: Vec<OpenedRow<'_>> = batch.opened.iter().map(OpenedRow::from).collect();
    let papers: Vec<Paper<'_>> = batch.ended.iter().map(Paper::from).collect();
    let text = Shape::of(batch).text(true).sqlite;
    let query = sqlx::query_as(text).bind(Json(&parts)).bind(Json(&rows));
    let query = query.bind(Json(&ended)).bind(Json(&opened)).bind(Json(&papers));
    let query = query.bind(count(batch.parts.len())).bind(count(batch.ended.len()));
    let mut lent = writer.lend().await?;
    // Between BEGIN and COMMIT: dropped there, it is closed, which undoes everything.
    lent.lose(true);
    let (connection, bound) = lent.parts();
    let error = match bound.wait(query.fetch_all(connection)).await {
        Ok(moved) => {
            lent.lose(false);
            return Ok(Wrote::Moved(moved));
        }
        Err(error) => error,
    };
    if is_silence(&error) {
        return Ok(Wrote::Unknown(error.into()));
    }
    let not_as_hoped = error.as_database_error().is_some_and(|error| error.message() == LITE_NOT_AS_HOPED);
    let error = StoreError::from(error);
    // What failed before its COMMIT is still open and undone now. What is not open never began or was undone, unless the COMMIT itself
    // failed: then nobody knows.
    let (connection, bound) = lent.parts();
    let undone = bound.wait(sqlx::query("ROLLBACK").execute(connection)).await;
    lent.lose(matches!(undone, Err(ref error) if error.as_database_error().is_none()));
    match undone {
        Ok(_) if not_as_hoped => Ok(Wrote::Nothing),
        Err(_) if error.is_unavailable() => Ok(Wrote::Unknown(error)),
        _ => Err(error),
    }
}

fn count(all: usize) -> i64 {
    i64::try_from(all).unwrap_or(i64::MAX)
}
