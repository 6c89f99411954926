//! `GET /api/credits/transactions`: the rows of an account, newest first.

use hub_store::ledger::{self, Kind, Page, Transaction};
use hub_types::{Caller, UserId};

use super::CreditsError;
use super::balance::subject;
use crate::Hub;

/// Which rows.
#[derive(Debug, Clone, Default)]
pub struct HistoryQuery {
    /// Whose; by default the caller's own.
    pub user: Option<UserId>,
    /// Only this kind.
    pub kind: Option<Kind>,
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
    /// Rows of the account in all.
    pub total: i64,
    /// True when older rows follow.
    pub has_more: bool,
}

/// One page. Somebody else's history needs `credits:read_any`.
pub async fn history(hub: &Hub, caller: &Caller, query: &HistoryQuery) -> Result<History, CreditsError> {
    let user = subject(caller, query.user)?;
    let mut tx = hub.store.read().await?;
    let page = Page {
        user,
        before_version: query.before_version,
        kind: query.kind,
        // One row more than asked tells whether there is a next page.
        limit: query.limit + 1,
        offset: query.offset,
    };
    let mut rows = ledger::list(&mut tx, &page).await?;
    let asked = usize::try_from(query.limit).unwrap_or(0);
    let has_more = rows.len() > asked;
    rows.truncate(asked);
    let total = ledger::count(&mut tx, user, query.kind).await?;
    Ok(History { rows, total, has_more })
}
