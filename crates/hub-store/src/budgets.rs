//! Budget windows: what was spent and is held of a budget in one period. Taken and given back together with the account, by `holds`.
//!
//! The guard is inside the statement and never a join (credits.md §2.4, second trap). Lock order: windows sorted by id, then holds, then
//! accounts; who resolves several holds in one transaction locks all their windows first (`lock`). Every window belongs to one user.

use hub_types::{Credits, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use crate::{Result, Tx};

statements! {
    // Makes the window with its first hold. `WHERE` in the update is judged on the newest version of the row.
    TAKE = "INSERT INTO budget_windows (id, user_id, period_start, spent, held, updated_at)
            SELECT $1, $2, $3, 0, CAST($4 AS BIGINT), $6 WHERE CAST($4 AS BIGINT) <= CAST($5 AS BIGINT)
            ON CONFLICT (id) DO UPDATE SET held = budget_windows.held + excluded.held, updated_at = excluded.updated_at
              WHERE budget_windows.spent + budget_windows.held + excluded.held <= CAST($5 AS BIGINT)";
    SETTLE = "UPDATE budget_windows SET held = held - $2, spent = spent + $3, updated_at = $4 WHERE id = $1";
    // A late charge had room when its call began, and is owed whatever the window has now.
    SPEND = "UPDATE budget_windows SET spent = spent + $2, updated_at = $3 WHERE id = $1";
    GROW = "UPDATE budget_windows SET held = held + $2, updated_at = $4 WHERE id = $1 AND spent + held + $2 <= $3";
    LOCK = postgres: "SELECT id FROM budget_windows WHERE id IN (SELECT jsonb_array_elements_text($1)) ORDER BY id FOR UPDATE",
           lite: "SELECT id FROM budget_windows WHERE id IN (SELECT value FROM json_each($1)) ORDER BY id";
    STANDING = postgres: "SELECT id, spent, held FROM budget_windows WHERE id IN (SELECT jsonb_array_elements_text($1))",
               lite: "SELECT id, spent, held FROM budget_windows WHERE id IN (SELECT value FROM json_each($1))";
    // Totals never end.
    PRUNE = "DELETE FROM budget_windows WHERE id IN
               (SELECT id FROM budget_windows WHERE period_start < $1 AND held = 0 AND id NOT LIKE '%:total' ORDER BY id LIMIT $2)";
    // What a window holds and has spent is the sum over the holds that took from it.
    WRONG = postgres: "SELECT w.id, w.spent, w.held, CAST(COALESCE(h.spent, 0) AS BIGINT), CAST(COALESCE(h.held, 0) AS BIGINT) FROM budget_windows w
                LEFT JOIN (SELECT b.value ->> 'window' AS id,
                             SUM(COALESCE(c.settled_amount, 0)) AS spent, SUM(CASE WHEN c.status = 'held' THEN c.amount ELSE 0 END) AS held
                           FROM credit_holds c CROSS JOIN LATERAL jsonb_array_elements(c.budgets) AS b(value) GROUP BY 1) h ON h.id = w.id
                WHERE w.spent <> COALESCE(h.spent, 0) OR w.held <> COALESCE(h.held, 0) LIMIT $1",
            lite: "SELECT w.id, w.spent, w.held, COALESCE(h.spent, 0), COALESCE(h.held, 0) FROM budget_windows w
                LEFT JOIN (SELECT json_extract(b.value, '$.window') AS id,
                             SUM(COALESCE(c.settled_amount, 0)) AS spent, SUM(CASE WHEN c.status = 'held' THEN c.amount ELSE 0 END) AS held
                           FROM credit_holds c, json_each(c.budgets) AS b GROUP BY 1) h ON h.id = w.id
                WHERE w.spent <> COALESCE(h.spent, 0) OR w.held <> COALESCE(h.held, 0) LIMIT $1";
}

/// What a hold takes from a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The window.
    pub window: String,
    /// When its period began; stored with a new window.
    pub period_start: Timestamp,
    /// What may be spent and held of it in all.
    pub limit: Credits,
}

/// A window as a hold remembers it, so that what was taken goes back to the same one whatever the time is then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charged {
    /// The window.
    pub window: String,
    /// The limit that was in force, in micro-credits.
    pub limit: i64,
}

/// A window's two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Charged.
    pub spent: Credits,
    /// Promised to running calls.
    pub held: Credits,
}

/// A window whose numbers are not those of its holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowFault {
    /// Which.
    pub window: String,
    /// What it says.
    pub stored: Standing,
    /// What the holds add up to.
    pub computed: Standing,
}

/// Takes the amount from every window, in the order of their ids. `Some`: the number of the charge that has no room; the caller must
/// roll back, because those before it were taken.
pub(crate) async fn take(
    tx: &mut Tx,
    user: UserId,
    charges: &[Charge],
    amount: Credits,
    now: Timestamp,
) -> Result<Option<usize>> {
    let mut order: Vec<(usize, &Charge)> = charges.iter().enumerate().collect();
    order.sort_by(|(_, one), (_, other)| one.window.cmp(&other.window));
    for (index, charge) in order {
        let (amount, limit) = (amount.micro(), charge.limit.micro());
        if run!(tx, execute, TAKE, &charge.window, user.0, charge.period_start, amount, limit, now)? != 1 {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Gives `held` back to every window and notes `actual` as spent.
pub(crate) async fn settle(
    tx: &mut Tx,
    charged: &[Charged],
    held: Credits,
    actual: Credits,
    now: Timestamp,
) -> Result<()> {
    for charge in sorted(charged) {
        run!(tx, execute, SETTLE, &charge.window, held.micro(), actual.micro(), now)?;
    }
    Ok(())
}

/// Notes a late charge as spent, also where a window has no room for it.
pub(crate) async fn spend(tx: &mut Tx, charged: &[Charged], amount: Credits, now: Timestamp) -> Result<()> {
    for charge in sorted(charged) {
        run!(tx, execute, SPEND, &charge.window, amount.micro(), now)?;
    }
    Ok(())
}

/// Takes more for a hold from the windows it took from. `false` when one has no room for it; the caller rolls back then.
pub(crate) async fn grow(tx: &mut Tx, charged: &[Charged], amount: Credits, now: Timestamp) -> Result<bool> {
    for charge in sorted(charged) {
        if run!(tx, execute, GROW, &charge.window, amount.micro(), charge.limit, now)? != 1 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn sorted(charged: &[Charged]) -> Vec<&Charged> {
    let mut sorted: Vec<&Charged> = charged.iter().collect();
    sorted.sort_by(|one, other| one.window.cmp(&other.window));
    sorted
}

/// Locks the windows of all these holds for this transaction, in one order. Call it before the first hold is resolved; it costs nothing
/// where no hold has a budget.
pub async fn lock(tx: &mut Tx, charged: impl IntoIterator<Item = &Charged>) -> Result<()> {
    let windows: Vec<&str> = charged.into_iter().map(|charge| charge.window.as_str()).collect();
    if !windows.is_empty() {
        let _locked: Vec<String> = run!(tx, scalars, LOCK, Json(&windows))?;
    }
    Ok(())
}

/// The numbers of these windows; one that nothing was taken from yet is missing.
pub async fn standing(tx: &mut Tx, windows: &[String]) -> Result<Vec<(String, Standing)>> {
    if windows.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, i64, i64)> = run!(tx, rows, STANDING, Json(windows))?;
    Ok(rows.into_iter().map(|(window, spent, held)| (window, pair(spent, held))).collect())
}

/// Windows whose numbers are not those of their holds; the first 100 at most.
pub async fn wrong(tx: &mut Tx) -> Result<Vec<WindowFault>> {
    let rows: Vec<(String, i64, i64, i64, i64)> = run!(tx, rows, WRONG, 100_i64)?;
    let fault = |(window, spent, held, true_spent, true_held)| WindowFault {
        window,
        stored: pair(spent, held),
        computed: pair(true_spent, true_held),
    };
    Ok(rows.into_iter().map(fault).collect())
}

fn pair(spent: i64, held: i64) -> Standing {
    Standing { spent: Credits::from_micro(spent), held: Credits::from_micro(held) }
}

/// Deletes up to `limit` windows of days and months that began before `before` and of which nothing is held; returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(run!(tx, execute, PRUNE, before, limit)?)
}
