//! `hub ledger verify`: exit code 0 only when every invariant of the money holds.

use std::fmt::Write;

use anyhow::{Context as _, Result, bail};
use hub_domain::credits::{self, Depth};
use hub_domain::pricing::{self, PriceBook};
use hub_store::Store;
use hub_types::Clock;

use super::{Context, Outcome};
use crate::compose;

/// Checks the money. Reads only; may run beside a serving process.
pub(super) async fn verify(context: &Context, fast: bool) -> Result<Outcome> {
    let Books { store, prices, clock } = open_books(context).await?;
    let depth = if fast { Depth::Fast } else { Depth::Full };
    let report = credits::verify(&store, &prices, &clock, depth).await?;
    store.close().await;
    context.report(&serde_json::to_value(&report)?, &words(&report))?;
    Ok(if report.clean { Outcome::Good } else { Outcome::Bad })
}

/// What commands about money read.
pub(super) struct Books {
    pub(super) store: Store,
    pub(super) prices: PriceBook,
    pub(super) clock: Clock,
}

/// Opens the books of a hub that exists, without changing anything.
pub(super) async fn open_books(context: &Context) -> Result<Books> {
    let store = open(context).await?;
    let clock = Clock::system();
    if store.is_shared() {
        clock.follow(store.now().await?);
    }
    let prices = PriceBook::default();
    pricing::load(&store, &prices).await.context("the prices cannot be read")?;
    Ok(Books { store, prices, clock })
}

/// The database of the hub, as it is: nothing is created or changed.
pub(super) async fn open(context: &Context) -> Result<Store> {
    let loaded = context.load(None)?;
    let directory = &context.directory;
    if loaded.settings.is_embedded() && !directory.database().exists() {
        bail!("there is no database {}: has this hub ever been started?", directory.database().display());
    }
    let store = Store::open(&compose::store_options(&loaded.settings, directory)).await?;
    if store.migration_state().await?.pending > 0 {
        bail!("the database schema is older than this program; run `hub migrate` first");
    }
    Ok(store)
}

fn words(report: &credits::Report) -> String {
    let mut text = String::new();
    for check in &report.checks {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} {}", if check.faults.is_empty() { "ok    " } else { "FAULTY" }, check.name);
        for fault in &check.faults {
            let _ = writeln!(text, "         {fault}");
        }
    }
    for entry in &report.books {
        let kind = entry.kind.map_or_else(String::new, |kind| format!(" ({kind})"));
        let _ = writeln!(text, "book   {}{kind}: {} credits in {} movements", entry.account, entry.total, entry.rows);
    }
    let credits::Report { accounts, transactions, receipts, open_holds, .. } = report;
    let verdict = if report.clean { "The ledger is clean" } else { "The ledger is NOT clean" };
    let _ = writeln!(
        text,
        "{verdict}: {accounts} accounts, {transactions} transactions, {receipts} receipts, {open_holds} calls running"
    );
    text
}
