//! `hub receipts recompute`: every charge of a month, computed again. Exit code 0 only when nothing differs.

use std::fmt::Write;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use hub_domain::credits::{self, Period, Recomputed};
use hub_types::Timestamp;

use super::ledger::{self, Books};
use super::{Context, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum ReceiptsCommand {
    /// Compute the receipts of a month again from stored usage and the price book, and name differences
    Recompute {
        /// The month in UTC
        #[arg(long, value_name = "YYYY-MM")]
        month: Month,
    },
}

/// A calendar month in UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Month {
    year: i32,
    month: u32,
}

impl FromStr for Month {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be a month such as 2026-11";
        let (year, month) =
            text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2).ok_or(wrong)?;
        let (year, month) = (year.parse().map_err(|_| wrong)?, month.parse().map_err(|_| wrong)?);
        if (1..=12).contains(&month) { Ok(Self { year, month }) } else { Err(wrong) }
    }
}

impl Month {
    fn start(self) -> Option<Timestamp> {
        format!("{:04}-{:02}-01T00:00:00Z", self.year, self.month).parse().ok()
    }

    fn period(self) -> Option<Period> {
        let next = if self.month == 12 {
            Self { year: self.year + 1, month: 1 }
        } else {
            Self { month: self.month + 1, ..self }
        };
        Some(Period { from: self.start()?, to: next.start()? })
    }
}

/// Runs one of them. Reads only; may run beside a serving process.
pub(super) async fn receipts(context: &Context, command: ReceiptsCommand) -> Result<Outcome> {
    let ReceiptsCommand::Recompute { month } = command;
    let period = month.period().context("the month is out of range")?;
    let Books { store, prices, .. } = ledger::open_books(context).await?;
    let found = credits::recompute(&store, &prices, period).await?;
    store.close().await;
    context.report(&serde_json::to_value(&found)?, &words(&found))?;
    Ok(if found.differences == 0 { Outcome::Good } else { Outcome::Bad })
}

fn words(found: &Recomputed) -> String {
    let Recomputed { receipts, differences, named, charged, computed } = found;
    let mut text = String::new();
    for difference in named {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{difference}");
    }
    let _ =
        write!(text, "{receipts} receipts, {differences} differences; charged {charged}, computed {computed} credits");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let period = |text: &str| text.parse::<Month>().unwrap().period().unwrap();
        assert_eq!(period("2026-12").to, period("2027-01").from);
        assert_eq!(period("2026-11").from.to_string(), "2026-11-01 00:00:00 UTC");
        for wrong in ["2026-13", "2026-00", "2026", "26-11", "2026-1", "x"] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
    }
}
