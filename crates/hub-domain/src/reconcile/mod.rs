//! Comparing receipts with a provider's own account of the same calls: what is missing here, what is missing there, and where tokens or
//! costs differ. Reads only: what is to be done about a difference is for people to decide.
//!
//! A file with a column of the provider's ids is compared call by call; one that only has sums is compared by day and model. See
//! `columns` for what is understood.

mod cells;
mod columns;
mod compare;
mod file;
mod report;

use hub_store::{Store, StoreError};
use hub_types::Timestamp;

pub use file::FileError;
pub use report::{DayReport, Report, Sums};

use compare::Comparison;
use file::Entries;

/// Largest file, in bytes.
pub const LARGEST: usize = 32 * 1024 * 1024;

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values, the first line being the names.
    Csv,
    /// A JSON array of flat objects.
    Json,
}

/// What is to be compared.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Name of the provider, as on its receipts.
    pub provider: String,
    /// Calls that began at or after this; the first day of the file when not given.
    pub from: Option<Timestamp>,
    /// Calls that began before this; the end of the last day of the file when not given.
    pub to: Option<Timestamp>,
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The file is not understood.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file has no days, so that it must be said which to compare.
    #[error("the file does not say when its calls were made; give from and to")]
    NoPeriod,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Compares a provider's file with the receipts, on one unchanging picture of the database.
pub async fn reconcile(store: &Store, bytes: &[u8], format: Format, asked: &Asked) -> Result<Report, ReconcileError> {
    let entries = Entries::read(bytes, format)?;
    let days = entries.days();
    let start = |day: chrono::NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc();
    let from = asked.from.or_else(|| days.map(|(first, _)| start(first))).ok_or(ReconcileError::NoPeriod)?;
    let to = asked.to.or_else(|| days.and_then(|(_, last)| last.succ_opt()).map(start));
    let to = to.ok_or(ReconcileError::NoPeriod)?;
    let comparison = Comparison::new(&asked.provider, entries, from, to);
    Ok(comparison.run(store).await?)
}
