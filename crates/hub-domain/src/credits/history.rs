//! `GET /api/credits/transactions` and its export: the rows of an account, newest first.

use hub_store::history::{self as store, Direction, Filter, Page};
use hub_store::ledger::{Kind, Transaction};
use hub_types::{Caller, Credits, Permission, Timestamp, UserId};

use super::CreditsError;
use super::balance::subject;
use crate::Hub;
use crate::access::{self, AccessError};
use crate::rbac::Denied;

/// Longest text that is searched for, in characters.
const LONGEST: usize = 100;
/// Rows of an export read at a time.
const EXPORT_PAGE: i64 = 500;

/// Which rows.
#[derive(Debug, Clone, Default)]
pub struct HistoryQuery {
    /// Whose; by default the caller's own.
    pub user: Option<UserId>,
    /// Only this kind.
    pub kind: Option<Kind>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before, exclusive.
    pub to: Option<Timestamp>,
    /// Only what was given, or only what was taken.
    pub direction: Option<Direction>,
    /// Moved at least this much, either way.
    pub min_amount: Option<Credits>,
    /// Stands in the reason, or is the id of the request that was paid for.
    pub text: Option<String>,
}

/// Which part of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct HistoryPage {
    /// Rows at most; the edge bounds it to 100.
    pub limit: i64,
    /// Continue below this version.
    pub before_version: Option<i64>,
    /// Rows to skip (the spec's paging).
    pub offset: i64,
}

/// A page of history.
#[derive(Debug, Clone)]
pub struct History {
    /// The rows.
    pub rows: Vec<Transaction>,
    /// What all that fit come to. Not told after the first page: whoever follows the rows knows it, and counting reads all of them.
    pub totals: Option<HistoryTotals>,
    /// True when older rows follow.
    pub has_more: bool,
}

/// What the rows that fit come to.
#[derive(Debug, Clone, Copy)]
pub struct HistoryTotals {
    /// How many.
    pub rows: i64,
    /// What they gave.
    pub credited: Credits,
    /// What they took.
    pub debited: Credits,
}

/// One page. Somebody else's history needs `credits:read_any`.
pub async fn history(
    hub: &Hub,
    caller: &Caller,
    query: &HistoryQuery,
    page: HistoryPage,
) -> Result<History, CreditsError> {
    let filter = checked(caller, query)?;
    let mut tx = hub.store.read().await?;
    // One row more than asked tells whether there is a next page.
    let HistoryPage { limit, before_version, offset } = page;
    let mut rows = store::list(&mut tx, &filter, Page { before_version, limit: limit + 1, offset }).await?;
    let asked = usize::try_from(limit).unwrap_or(0);
    let has_more = rows.len() > asked;
    rows.truncate(asked);
    let totals = if before_version.is_none() { Some(store::totals(&mut tx, &filter).await?) } else { None };
    let totals = totals.map(|totals| HistoryTotals {
        rows: totals.rows,
        credited: Credits::from_micro(totals.credited),
        debited: Credits::from_micro(totals.debited),
    });
    Ok(History { rows, totals, has_more })
}

/// The next rows of an export, newest first; none at its end. An export may run long, so the caller's rights are asked each time.
pub async fn export_history(
    hub: &Hub,
    caller: &Caller,
    query: &HistoryQuery,
    before_version: Option<i64>,
) -> Result<Vec<Transaction>, CreditsError> {
    let caller = access::recheck(hub, caller).await.map_err(|error| match error {
        AccessError::Invalid => Denied(Permission::CreditsRead).into(),
        AccessError::Store(error) => CreditsError::Store(error),
    })?;
    let filter = checked(&caller, query)?;
    let mut tx = hub.store.read().await?;
    Ok(store::list(&mut tx, &filter, Page { before_version, limit: EXPORT_PAGE, offset: 0 }).await?)
}

fn checked(caller: &Caller, query: &HistoryQuery) -> Result<Filter, CreditsError> {
    let all = Filter::all(subject(caller, query.user)?);
    let wrong = |field, message| Err(CreditsError::Invalid { field, message });
    if query
        .text
        .as_deref()
        .is_some_and(|text| text.is_empty() || text.chars().count() > LONGEST || text.contains('\0'))
    {
        return wrong("q", "must have 1 to 100 characters");
    }
    if query.min_amount.is_some_and(|least| least < Credits::ZERO) {
        return wrong("minAmount", "must not be below zero");
    }
    if query.from.zip(query.to).is_some_and(|(from, to)| from >= to) {
        return wrong("to", "must be after from");
    }
    Ok(Filter {
        kind: query.kind,
        from: query.from.unwrap_or(all.from),
        to: query.to.unwrap_or(all.to),
        direction: query.direction,
        least: query.min_amount.unwrap_or_default().micro(),
        text: query.text.clone(),
        ..all
    })
}
