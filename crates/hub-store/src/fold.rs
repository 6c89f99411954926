//! Many movements in one commit: the accounts of a batch are locked in one order, read once, changed once, and all ledger rows go in
//! with one statement. Who may move what is decided by the rules between `lock` and `write`; the version each account had
//! when it was read guards the change. Rows travel as one JSON document, so that a statement has the same text for any number.

use hub_types::{Credits, Timestamp, UserId};
use serde::Serialize;
use sqlx::FromRow;
use sqlx::types::Json;

use crate::accounts::{self, Account};
use crate::fold_rows::PostingRow;
use crate::ledger::{self, Posting, Transaction};
use crate::{Result, StoreError, Tx};

statements! {
    // One order of accounts for all batches, or two of them could wait for each other. SQLite has one writer and nothing to lock.
    LOCK = postgres: "SELECT user_id, balance, held, overdraft_limit, version, status, updated_at FROM credit_accounts
                      WHERE user_id = ANY (ARRAY(SELECT u::uuid FROM jsonb_array_elements_text($1) AS u))
                      ORDER BY user_id FOR NO KEY UPDATE",
           lite: "SELECT user_id, balance, held, overdraft_limit, version, status, updated_at FROM credit_accounts
                  WHERE user_id IN (SELECT unhex(value, '-') FROM json_each($1))";
    // LIMIT keeps the planner at one look into the index per key, whatever it believes about the size of the table.
    EARLIER = postgres: "SELECT t.idem_key, t.id, t.user_id, t.kind, t.amount, t.balance_after, t.account_version, t.idem_hash, t.hold_id,
                           t.actor_id, t.reason, t.metadata, t.created_at
                         FROM jsonb_to_recordset($1) AS k(user_id uuid, idem_key text)
                         CROSS JOIN LATERAL (SELECT * FROM credit_transactions c
                                             WHERE c.user_id = k.user_id AND c.idem_key = k.idem_key LIMIT 1) AS t",
              lite: "SELECT t.idem_key, t.id, t.user_id, t.kind, t.amount, t.balance_after, t.account_version, t.idem_hash, t.hold_id,
                       t.actor_id, t.reason, t.metadata, t.created_at
                     FROM json_each($1) AS k CROSS JOIN credit_transactions AS t
                     WHERE t.user_id = unhex(k.value->>'user_id', '-') AND t.idem_key = k.value->>'idem_key'";
    // The second mention of the accounts leads the planner to their primary key.
    MOVE = postgres: "UPDATE credit_accounts AS a SET balance = a.balance + m.amount, held = a.held + m.held,
                        version = a.version + m.movements, updated_at = m.at
                      FROM jsonb_to_recordset($1) AS m(user_id uuid, was bigint, movements bigint, amount bigint, held bigint,
                        at timestamptz)
                      WHERE a.user_id = ANY (ARRAY(SELECT (u->>'user_id')::uuid FROM jsonb_array_elements($1) AS u))
                        AND a.user_id = m.user_id AND a.version = m.was",
           lite: "UPDATE credit_accounts AS a SET balance = a.balance + m.amount, held = a.held + m.held,
                    version = a.version + m.movements, updated_at = m.at
                  FROM (SELECT unhex(value->>'user_id', '-') AS user_id, value->>'was' AS was, value->>'movements' AS movements,
                          value->>'amount' AS amount, value->>'held' AS held, value->>'at' AS at FROM json_each($1)) AS m
                  WHERE a.user_id = m.user_id AND a.version = m.was";
    INSERT = postgres: "INSERT INTO credit_transactions (id, user_id, kind, amount, balance_after, account_version, idem_key, idem_hash,
                          hold_id, reverses, actor_id, reason, metadata, created_at)
                        SELECT id, user_id, kind, amount, balance_after, account_version, idem_key, decode(idem_hash, 'hex'), hold_id,
                          NULL, actor_id, reason, metadata, created_at
                        FROM jsonb_to_recordset($1) AS r(id uuid, user_id uuid, kind text, amount bigint, balance_after bigint,
                          account_version bigint, idem_key text, idem_hash text, hold_id uuid, actor_id uuid, reason text,
                          metadata jsonb, created_at timestamptz)",
             lite: "INSERT INTO credit_transactions (id, user_id, kind, amount, balance_after, account_version, idem_key, idem_hash,
                      hold_id, reverses, actor_id, reason, metadata, created_at)
                    SELECT unhex(value->>'id', '-'), unhex(value->>'user_id', '-'), value->>'kind', value->>'amount',
                      value->>'balance_after', value->>'account_version', value->>'idem_key', unhex(value->>'idem_hash'),
                      unhex(value->>'hold_id', '-'), NULL, unhex(value->>'actor_id', '-'), value->>'reason', value->'metadata',
                      value->>'created_at'
                    FROM json_each($1)";
}

/// What a batch does to one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub user: UserId,
    /// The version the account had when it was locked; guards the change.
    pub was: i64,
    /// Ledger rows added.
    pub movements: i64,
    /// Their sum, signed.
    pub amount: Credits,
    /// Change of what is held, signed.
    pub held: Credits,
    /// When.
    pub at: Timestamp,
}

/// A posting with its place in the history of its account.
#[derive(Debug, Clone)]
pub struct Numbered {
    /// What is posted.
    pub posting: Posting,
    /// Balance right after it.
    pub balance_after: Credits,
    /// Its version.
    pub version: i64,
}

/// Reads the accounts and keeps everybody else from changing them until the transaction ends. Who has no account is left out.
pub async fn lock(tx: &mut Tx, users: &[UserId]) -> Result<Vec<Account>> {
    let rows: Vec<accounts::Row> = run!(tx, rows, LOCK, Json(users))?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// The rows already posted under any of these keys, with their key. Certain only after `lock`: whoever posts holds the account.
pub async fn earlier(tx: &mut Tx, keys: &[(UserId, &str)]) -> Result<Vec<(String, Transaction)>> {
    #[derive(Serialize)]
    struct Key<'a> {
        user_id: UserId,
        idem_key: &'a str,
    }
    #[derive(FromRow)]
    struct Found {
        idem_key: String,
        #[sqlx(flatten)]
        row: ledger::Row,
    }
    let keys: Vec<Key<'_>> = keys.iter().map(|&(user_id, idem_key)| Key { user_id, idem_key }).collect();
    let rows: Vec<Found> = run!(tx, rows, EARLIER, Json(&keys))?;
    Ok(rows.into_iter().map(|found| (found.idem_key, found.row.into())).collect())
}

/// Changes the accounts and writes the ledger rows.
///
/// # Errors
/// `Corrupt` when an account is not as it was locked; then nothing may be committed.
pub async fn write(tx: &mut Tx, changes: &[Change], rows: &[Numbered]) -> Result<()> {
    if !changes.is_empty() {
        let changes: Vec<ChangeRow> = changes.iter().map(ChangeRow::from).collect();
        let moved = run!(tx, execute, MOVE, Json(&changes))?;
        if usize::try_from(moved) != Ok(changes.len()) {
            return Err(StoreError::Corrupt("an account that changed under its lock"));
        }
    }
    if !rows.is_empty() {
        let rows: Vec<LedgerRow<'_>> = rows.iter().map(LedgerRow::from).collect();
        run!(tx, execute, INSERT, Json(&rows))?;
    }
    Ok(())
}

/// A time as both engines read it out of JSON, and as SQLite stores what is bound.
pub(crate) fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false)
}

#[derive(Serialize)]
struct ChangeRow {
    user_id: UserId,
    was: i64,
    movements: i64,
    amount: i64,
    held: i64,
    at: String,
}

impl From<&Change> for ChangeRow {
    fn from(change: &Change) -> Self {
        Self {
            user_id: change.user,
            was: change.was,
            movements: change.movements,
            amount: change.amount.micro(),
            held: change.held.micro(),
            at: time(change.at),
        }
    }
}

#[derive(Serialize)]
struct LedgerRow<'a> {
    #[serde(flatten)]
    posting: PostingRow<'a>,
    balance_after: i64,
    account_version: i64,
}

impl<'a> From<&'a Numbered> for LedgerRow<'a> {
    fn from(row: &'a Numbered) -> Self {
        let posting = PostingRow::from(&row.posting);
        Self { posting, balance_after: row.balance_after.micro(), account_version: row.version }
    }
}
