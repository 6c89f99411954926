//! Usage: what was called, by whom, and what it cost. Charts, tables and exports over any range and in any time zone.
//!
//! Invariant: at any moment the sums of the charts, the rows of the log and the rows of the export are the same calls, each once. Closed
//! quarters of an hour are read from sums, everything else from the calls themselves, in one snapshot. Who may not see a call learns
//! nothing of it: the subject stands in every query.

mod error;
mod find;
mod log;
mod names;
mod range;
mod reader;
mod report;
mod retention;
mod rollup;
mod scope;
mod series;
mod sources;
mod zone;

use serde::Deserialize;

pub use error::UsageError;
pub use hub_store::usage_logs::Call;
pub use hub_store::usage_totals::{GroupBy, Sums};
pub use log::{LogQuery, Position, begin_export, export_page, logs};
pub use names::{Group, Named};
pub use range::Asked;
pub use report::{Breakdown, Summary, breakdown, summary};
pub(crate) use retention::delete_old;
pub use rollup::roll_up;
pub use scope::{Scope, Whose};
pub use series::{Bucket, Series, TimeSeries, timeseries};
pub use zone::{Interval, Zone};

/// `[usage]` in `hub.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Days after which calls are deleted, whole months at a time; 0 keeps all for ever, else 35 or more. The sums for charts stay.
    pub keep_days: u32,
}
