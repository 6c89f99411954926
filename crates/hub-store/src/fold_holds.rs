//! Many holds opened and resolved in one commit, with their budget windows. The rules decide between `lock` and what follows it. Lock
//! order as everywhere: windows, holds, accounts, each sorted by id.

use std::collections::BTreeMap;

use hub_types::{Credits, HoldId, Timestamp, UserId};
use serde_json::{Value, json};
use sqlx::types::Json;
use uuid::Uuid;

use crate::budgets::{Charge, Charged, Standing};
use crate::fold::time;
use crate::fold_rows::OpenedRow;
use crate::holds::{self, End, Hold, NewHold};
use crate::{Result, StoreError, Tx};

statements! {
    // What a hold took from is written once, so it can be read before anything is locked; and what is not held any more never is again.
    BUDGETS = postgres: "SELECT user_id, budgets FROM credit_holds
                         WHERE id = ANY (ARRAY(SELECT h::uuid FROM jsonb_array_elements_text($1) AS h))
                           AND status = 'held' AND budgets <> '[]'",
              lite: "SELECT user_id, budgets FROM credit_holds
                     WHERE id IN (SELECT unhex(value, '-') FROM json_each($1)) AND status = 'held' AND budgets <> '[]'";
    LOCK = postgres: "SELECT id, user_id, api_key_id, request_id, kind, amount, accrued, settled_amount, price_id, service, provider, model,
                        status, owner, checkpoint, lease_until, created_at, budgets
                      FROM credit_holds WHERE id = ANY (ARRAY(SELECT h::uuid FROM jsonb_array_elements_text($1) AS h))
                      ORDER BY id FOR NO KEY UPDATE",
           lite: "SELECT id, user_id, api_key_id, request_id, kind, amount, accrued, settled_amount, price_id, service, provider, model,
                    status, owner, checkpoint, lease_until, created_at, budgets
                  FROM credit_holds WHERE id IN (SELECT unhex(value, '-') FROM json_each($1))";
    FIND = postgres: "SELECT id, user_id, api_key_id, request_id, kind, amount, accrued, settled_amount, price_id, service, provider, model,
                        status, owner, checkpoint, lease_until, created_at, budgets
                      FROM credit_holds WHERE id = ANY (ARRAY(SELECT h::uuid FROM jsonb_array_elements_text($1) AS h))",
           lite: "SELECT id, user_id, api_key_id, request_id, kind, amount, accrued, settled_amount, price_id, service, provider, model,
                    status, owner, checkpoint, lease_until, created_at, budgets
                  FROM credit_holds WHERE id IN (SELECT unhex(value, '-') FROM json_each($1))";
    RESOLVE = postgres: "UPDATE credit_holds AS h SET status = r.status, settled_amount = r.charged, resolved_at = r.at
                         FROM jsonb_to_recordset($1) AS r(id uuid, status text, charged bigint, at timestamptz)
                         WHERE h.id = ANY (ARRAY(SELECT (i->>'id')::uuid FROM jsonb_array_elements($1) AS i))
                           AND h.id = r.id AND h.status = 'held' AND h.amount >= r.charged",
              lite: "UPDATE credit_holds AS h SET status = r.status, settled_amount = r.charged, resolved_at = r.at
                     FROM (SELECT unhex(value->>'id', '-') AS id, value->>'status' AS status, value->>'charged' AS charged,
                             value->>'at' AS at FROM json_each($1)) AS r
                     WHERE h.id = r.id AND h.status = 'held' AND h.amount >= r.charged";
    // Makes the windows that nothing was taken from yet and locks them all, in one order.
    WINDOWS = postgres: "INSERT INTO budget_windows (id, user_id, period_start, spent, held, updated_at)
                         SELECT id, user_id, period_start, 0, 0, at
                         FROM jsonb_to_recordset($1) AS w(id text, user_id uuid, period_start timestamptz, at timestamptz)
                         ORDER BY id COLLATE \"C\"
                         ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at RETURNING id, spent, held",
              lite: "INSERT INTO budget_windows (id, user_id, period_start, spent, held, updated_at)
                     SELECT value->>'id', unhex(value->>'user_id', '-'), value->>'period_start', 0, 0, value->>'at'
                     FROM json_each($1) WHERE true
                     ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at RETURNING id, spent, held";
    TAKE = postgres: "UPDATE budget_windows AS w SET held = w.held + m.held, spent = w.spent + m.spent, updated_at = m.at
                      FROM jsonb_to_recordset($1) AS m(id text, held bigint, spent bigint, at timestamptz)
                      WHERE w.id = ANY (ARRAY(SELECT i->>'id' FROM jsonb_array_elements($1) AS i)) AND w.id = m.id",
           lite: "UPDATE budget_windows AS w SET held = w.held + m.held, spent = w.spent + m.spent, updated_at = m.at
                  FROM (SELECT value->>'id' AS id, value->>'held' AS held, value->>'spent' AS spent, value->>'at' AS at
                        FROM json_each($1)) AS m
                  WHERE w.id = m.id";
    OPEN = postgres: "INSERT INTO credit_holds (id, user_id, api_key_id, request_id, kind, amount, accrued, price_id, service, provider,
                        model, status, owner, checkpoint, lease_until, created_at, budgets)
                      SELECT id, user_id, api_key_id, request_id, kind, amount, 0, price_id, service, provider, model, 'held', owner,
                        checkpoint, lease_until, created_at, budgets
                      FROM jsonb_to_recordset($1) AS h(id uuid, user_id uuid, api_key_id uuid, request_id text, kind text,
                        amount bigint, price_id uuid, service text, provider text, model text, owner text, checkpoint jsonb,
                        lease_until timestamptz, created_at timestamptz, budgets jsonb)",
           lite: "INSERT INTO credit_holds (id, user_id, api_key_id, request_id, kind, amount, accrued, price_id, service, provider, model,
                    status, owner, checkpoint, lease_until, created_at, budgets)
                  SELECT unhex(value->>'id', '-'), unhex(value->>'user_id', '-'), unhex(value->>'api_key_id', '-'), value->>'request_id',
                    value->>'kind', value->>'amount', 0, unhex(value->>'price_id', '-'), value->>'service', value->>'provider',
                    value->>'model', 'held', value->>'owner', value->'checkpoint', value->>'lease_until', value->>'created_at',
                    value->'budgets'
                  FROM json_each($1)";
}

/// An open hold that ends.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The hold as it was locked.
    pub hold: Hold,
    /// How it ends.
    pub end: End,
    /// What is charged; never more than was held.
    pub charged: Credits,
    /// When.
    pub at: Timestamp,
}

/// What happens to a budget window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowChange {
    /// Change of what is held of it, signed.
    pub held: Credits,
    /// What is charged in it.
    pub spent: Credits,
    /// When.
    pub at: Timestamp,
}

/// Locks the budget windows of the calls that end and of those that begin (`begin`, with their owners), then reads and locks the holds.
/// Everybody else is kept from changing both until the transaction ends. Returns the holds, and how the windows stand.
pub async fn lock(
    tx: &mut Tx,
    ids: &[HoldId],
    begin: &[(UserId, &Charge)],
    now: Timestamp,
) -> Result<(Vec<Hold>, Vec<(String, Standing)>)> {
    let mut windows: BTreeMap<String, (UserId, Timestamp)> = BTreeMap::new();
    if !ids.is_empty() {
        let taken: Vec<(Uuid, Json<Vec<Charged>>)> = run!(tx, rows, BUDGETS, Json(ids))?;
        for (user, Json(charged)) in taken {
            // There already, as long as something of it is held: when its period began need not be known.
            windows.extend(charged.into_iter().map(|charged| (charged.window, (UserId(user), Timestamp::UNIX_EPOCH))));
        }
    }
    windows.extend(begin.iter().map(|&(user, charge)| (charge.window.clone(), (user, charge.period_start))));
    let mut standings = Vec::new();
    if !windows.is_empty() {
        let row = |(id, (user, start)): (&String, &(UserId, Timestamp))| json!({ "id": id, "user_id": user, "period_start": time(*start), "at": time(now) });
        let rows: Vec<Value> = windows.iter().map(row).collect();
        let found: Vec<(String, i64, i64)> = run!(tx, rows, WINDOWS, Json(&rows))?;
        standings.extend(found.into_iter().map(|(id, spent, held)| {
            (id, Standing { spent: Credits::from_micro(spent), held: Credits::from_micro(held) })
        }));
    }
    if ids.is_empty() {
        return Ok((Vec::new(), standings));
    }
    let rows: Vec<holds::Row> = run!(tx, rows, LOCK, Json(ids))?;
    Ok((rows.into_iter().map(Hold::from).collect(), standings))
}

/// Those of these holds that were opened before, to tell a repetition. Locks nothing.
pub async fn find(tx: &mut Tx, ids: &[HoldId]) -> Result<Vec<Hold>> {
    let rows: Vec<holds::Row> = run!(tx, rows, FIND, Json(ids))?;
    Ok(rows.into_iter().map(Hold::from).collect())
}

/// Resolves the holds. The accounts are the ledger's part (`fold::write`), the windows that of `take`.
///
/// # Errors
/// `Corrupt` when a hold is not as it was locked; then nothing may be committed.
pub async fn resolve(tx: &mut Tx, resolved: &[Resolved]) -> Result<()> {
    if resolved.is_empty() {
        return Ok(());
    }
    let row = |one: &Resolved| json!({ "id": one.hold.id, "status": one.end.as_str(), "charged": one.charged.micro(), "at": time(one.at) });
    let rows: Vec<Value> = resolved.iter().map(row).collect();
    if usize::try_from(run!(tx, execute, RESOLVE, Json(&rows))?) != Ok(resolved.len()) {
        return Err(StoreError::Corrupt("a hold that changed under its lock"));
    }
    Ok(())
}

/// Changes windows locked by `lock`.
pub async fn take(tx: &mut Tx, windows: &BTreeMap<String, WindowChange>) -> Result<()> {
    if windows.is_empty() {
        return Ok(());
    }
    let row = |(id, change): (&String, &WindowChange)| json!({ "id": id, "held": change.held.micro(), "spent": change.spent.micro(), "at": time(change.at) });
    let rows: Vec<Value> = windows.iter().map(row).collect();
    run!(tx, execute, TAKE, Json(&rows))?;
    Ok(())
}

/// Writes the rows of holds whose amounts were taken from accounts and windows.
///
/// # Errors
/// `Duplicate` when one was opened before: the transaction must be rolled back.
pub async fn open(tx: &mut Tx, holds: &[NewHold]) -> Result<()> {
    if holds.is_empty() {
        return Ok(());
    }
    let rows: Vec<OpenedRow<'_>> = holds.iter().map(OpenedRow::from).collect();
    run!(tx, execute, OPEN, Json(&rows))?;
    Ok(())
}
