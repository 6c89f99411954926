//! `hub ledger verify`: every invariant of the money, checked on one unchanging picture of the database, culprits named.

mod lots;
mod orders;
mod sums;

use hub_store::budgets::WindowFault;
use hub_store::ledger::Kind;
use hub_store::verify::{self as questions, AccountFault, CallFault, KindTotal, NamedFault, RowFault};
use hub_store::{Store, StoreError, Tx, budgets, holds};
use hub_types::{Clock, Credits};
use serde::Serialize;

use super::recompute::recompute_all;
use crate::pricing::PriceBook;

/// What the check found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// True when every check holds.
    pub clean: bool,
    /// Accounts looked at.
    pub accounts: i64,
    /// Ledger rows looked at.
    pub transactions: i64,
    /// Receipts computed again.
    pub receipts: i64,
    /// Holds that are open now; running calls have them.
    pub open_holds: i64,
    /// The double-entry view: what the members have, and the accounts of the house it came from and went to. Adds up to zero.
    pub books: Vec<Entry>,
    /// The checks.
    pub checks: Vec<Check>,
}

/// One account of the double-entry view.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// `members`, or the counter-account of a kind.
    pub account: &'static str,
    /// The kind of movement; none for `members`.
    pub kind: Option<&'static str>,
    /// Movements.
    pub rows: i64,
    /// What the account holds, signed.
    pub total: Credits,
}

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The sums: accounts, holds and books. One pass over each table.
    Fast,
    /// Every row, running balance and receipt as well.
    Full,
}

/// One invariant.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What must hold, in words.
    pub name: &'static str,
    /// Those for whom it does not: at most 100.
    pub faults: Vec<String>,
}

/// Checks everything, or the sums. Changes nothing (that ledger rows cannot be changed is tried, and undone); may run beside a working hub.
pub async fn verify(store: &Store, book: &PriceBook, clock: &Clock, depth: Depth) -> Result<Report, StoreError> {
    let mut tx = store.snapshot().await?;
    let (accounts, transactions) = questions::size(&mut tx).await?;
    let mut checks = vec![
        of_accounts("every balance is the sum of its rows", questions::balances(&mut tx).await?),
        of_accounts("every version is the gapless count of its rows", questions::versions(&mut tx).await?),
        of_accounts("every held amount is the sum of the open holds", questions::held(&mut tx).await?),
        of_accounts("no active account has spent or promised more than it has", questions::overdrawn(&mut tx).await?),
        of_rows("every movement goes the way of its kind", questions::signs(&mut tx).await?),
        of_windows("every budget window is the sum of its holds", budgets::wrong(&mut tx).await?),
        of_accounts("no charge is given back more than it was", questions::over_refunded(&mut tx).await?),
    ];
    lots::check(&mut tx, depth, &mut checks).await?;
    orders::check(&mut tx, depth, &mut checks).await?;
    let (books, balanced) = double_entry(&mut tx).await?;
    checks.push(balanced);
    let mut receipts = 0;
    if depth == Depth::Full {
        sums::check(&mut tx, &mut checks).await?;
        checks.extend([
            of_accounts(
                "every running balance is the sum of the rows up to it",
                questions::running_balances(&mut tx).await?,
            ),
            of_calls("every hold charged what the ledger took for it", questions::resolved_holds(&mut tx).await?),
            of_calls("every hold that was charged has a receipt", questions::holds_without_receipt(&mut tx).await?),
            of_calls("every receipt belongs to a hold of its size", questions::receipts_of_holds(&mut tx).await?),
            of_calls("every receipt's amount is on the ledger", questions::receipts(&mut tx).await?),
            of_calls("every usage row agrees with its receipt", questions::usage(&mut tx).await?),
            of_calls("every receipt has a usage row", questions::receipts_without_usage(&mut tx).await?),
        ]);
        let (count, faults) = recompute_all(&mut tx, book).await?;
        receipts = count;
        checks.push(Check { name: "every receipt computes again from the price book", faults });
    }
    let late = holds::count_due(&mut tx, clock.now() - chrono::Duration::minutes(5)).await?;
    let late = if late == 0 {
        Vec::new()
    } else {
        vec![format!("{late} holds are open five minutes after their lease ended: is a worker running?")]
    };
    checks.push(Check { name: "no hold outlives its lease", faults: late });
    let open_holds = holds::count_open(&mut tx).await?;
    drop(tx);
    if depth == Depth::Full {
        let faults = questions::changeable(store).await?.into_iter().map(str::to_owned).collect();
        checks.push(Check { name: "the database lets nobody change or delete a ledger row", faults });
    }
    let clean = checks.iter().all(|check| check.faults.is_empty());
    Ok(Report { clean, accounts, transactions, receipts, open_holds, books, checks })
}

fn of_accounts(name: &'static str, faults: Vec<AccountFault>) -> Check {
    let words =
        |fault: AccountFault| format!("user {}: stored {}, computed {}", fault.user, fault.stored, fault.computed);
    Check { name, faults: faults.into_iter().map(words).collect() }
}

fn of_named(name: &'static str, faults: Vec<NamedFault>) -> Check {
    let words = |fault: NamedFault| format!("{}: stored {}, computed {}", fault.what, fault.stored, fault.computed);
    Check { name, faults: faults.into_iter().map(words).collect() }
}

fn of_rows(name: &'static str, faults: Vec<RowFault>) -> Check {
    let words =
        |fault: RowFault| format!("user {}, row {}: a {} of {}", fault.user, fault.version, fault.kind, fault.amount);
    Check { name, faults: faults.into_iter().map(words).collect() }
}

fn of_windows(name: &'static str, faults: Vec<WindowFault>) -> Check {
    let words = |fault: WindowFault| {
        let WindowFault { window, stored, computed } = fault;
        format!(
            "window {window}: stored {} spent and {} held, computed {} and {}",
            stored.spent, stored.held, computed.spent, computed.held
        )
    };
    Check { name, faults: faults.into_iter().map(words).collect() }
}

fn of_calls(name: &'static str, faults: Vec<CallFault>) -> Check {
    let words =
        |fault: CallFault| format!("receipt {}: stored {}, computed {}", fault.hold, fault.stored, fault.computed);
    Check { name, faults: faults.into_iter().map(words).collect() }
}

/// The members' side as their accounts say, the house's side as the movements say: the two come from different tables.
async fn double_entry(tx: &mut Tx) -> Result<(Vec<Entry>, Check), StoreError> {
    let members = questions::members(tx).await?;
    let (mut books, mut faults, mut sum) = (Vec::new(), Vec::new(), i128::from(members.micro()));
    let mut rows = 0;
    for KindTotal { kind, rows: count, total } in questions::kinds(tx).await? {
        sum -= i128::from(total.micro());
        rows += count;
        match Kind::from_word(&kind) {
            Some(kind) => books.push(Entry {
                account: kind.counter_account(),
                kind: Some(kind.as_str()),
                rows: count,
                total: -total,
            }),
            None => faults.push(format!("kind {kind}: has no counter-account")),
        }
    }
    books.insert(0, Entry { account: "members", kind: None, rows, total: members });
    if sum != 0 {
        faults.push(format!("all accounts together hold {sum} micro-credits instead of none"));
    }
    Ok((books, Check { name: "members and counter-accounts add up to zero", faults }))
}
