//! `hub ledger export`: the rows of the ledger in a stable order, a page at a time, from one unchanging picture of the database.

use hub_store::ledger::{self, Transaction};
use hub_store::{Store, StoreError, Tx};
use hub_types::{Timestamp, UserId};

/// Rows read at a time.
const PAGE: i64 = 1000;

/// An export under way.
pub struct Export {
    tx: Tx,
    page: ledger::Export,
    done: bool,
}

/// Begins an export of the rows made from `from` on and before `until`, of one account or all. Every page sees the same moment, whatever
/// is posted meanwhile.
pub async fn export(
    store: &Store,
    user: Option<UserId>,
    from: Timestamp,
    until: Timestamp,
) -> Result<Export, StoreError> {
    let page = ledger::Export { user, from, until, after: None, limit: PAGE };
    Ok(Export { tx: store.snapshot().await?, page, done: false })
}

impl Export {
    /// The next rows, by account and version; empty at the end.
    pub async fn next(&mut self) -> Result<Vec<Transaction>, StoreError> {
        if self.done {
            return Ok(Vec::new());
        }
        let rows = ledger::export(&mut self.tx, &self.page).await?;
        self.page.after = rows.last().map(|row| (row.user, row.version));
        self.done = rows.is_empty();
        Ok(rows)
    }
}
