//! Many holds resolved in one commit, with their budget windows. The rules decide between `lock` and `resolve`. Lock order as
//! everywhere: windows, holds, accounts, each sorted by id.

use std::collections::BTreeMap;

use hub_types::{Credits, HoldId, Timestamp};
use serde_json::{Value, json};
use sqlx::types::Json;

use crate::budgets::{self, Charged};
use crate::fold::time;
use crate::holds::{self, End, Hold};
use crate::{Result, StoreError, Tx};

statements! {
    // What a hold took from is written once, so it can be read before anything is locked.
    BUDGETS = postgres: "SELECT budgets FROM credit_holds
                         WHERE id = ANY (ARRAY(SELECT h::uuid FROM jsonb_array_elements_text($1) AS h)) AND budgets <> '[]'",
              lite: "SELECT budgets FROM credit_holds WHERE id IN (SELECT unhex(value, '-') FROM json_each($1)) AND budgets <> '[]'";
    LOCK = postgres: "SELECT id, user_id, api_key_id, request_id, kind, amount, accrued, settled_amount, price_id, service, provider, model,
                        status, owner, checkpoint, lease_until, created_at, budgets
                      FROM credit_holds WHERE id = ANY (ARRAY(SELECT h::uuid FROM jsonb_array_elements_text($1) AS h))
                      ORDER BY id FOR NO KEY UPDATE",
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
    WINDOWS = postgres: "UPDATE budget_windows AS w SET held = w.held - m.held, spent = w.spent + m.spent, updated_at = m.at
                         FROM jsonb_to_recordset($1) AS m(id text, held bigint, spent bigint, at timestamptz)
                         WHERE w.id = ANY (ARRAY(SELECT i->>'id' FROM jsonb_array_elements($1) AS i)) AND w.id = m.id",
              lite: "UPDATE budget_windows AS w SET held = w.held - m.held, spent = w.spent + m.spent, updated_at = m.at
                     FROM (SELECT value->>'id' AS id, value->>'held' AS held, value->>'spent' AS spent, value->>'at' AS at
                           FROM json_each($1)) AS m
                     WHERE w.id = m.id";
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

/// Reads the holds and keeps everybody else from resolving them until the transaction ends, their budget windows first.
pub async fn lock(tx: &mut Tx, ids: &[HoldId]) -> Result<Vec<Hold>> {
    let charged: Vec<Json<Vec<Charged>>> = run!(tx, scalars, BUDGETS, Json(ids))?;
    budgets::lock(tx, charged.iter().flat_map(|Json(windows)| windows)).await?;
    let rows: Vec<holds::Row> = run!(tx, rows, LOCK, Json(ids))?;
    Ok(rows.into_iter().map(Hold::from).collect())
}

/// Resolves the holds and gives their windows back what is not charged. The accounts are the ledger's part (`fold::write`).
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
    let mut windows: BTreeMap<&str, (i64, i64, Timestamp)> = BTreeMap::new();
    for one in resolved {
        for charged in &one.hold.budgets {
            let (held, spent, at) = windows.entry(&charged.window).or_insert((0, 0, one.at));
            *held += one.hold.amount.micro();
            *spent += one.charged.micro();
            *at = one.at.max(*at);
        }
    }
    if !windows.is_empty() {
        let row = |(id, (held, spent, at)): (&&str, &(i64, i64, Timestamp))| json!({ "id": id, "held": held, "spent": spent, "at": time(*at) });
        let rows: Vec<Value> = windows.iter().map(row).collect();
        run!(tx, execute, WINDOWS, Json(&rows))?;
    }
    Ok(())
}
