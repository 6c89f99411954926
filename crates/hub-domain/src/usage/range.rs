//! From when to when: what was asked, brought within bounds.

use chrono::{Datelike, Days, NaiveDate};
use hub_store::usage_rollup::QUARTER;
use hub_types::Timestamp;

use super::{UsageError, Zone};
use crate::Hub;

/// Days shown when nobody says which, today included.
const USUAL_DAYS: u64 = 30;
/// Nothing was called before 2000, and in its day zones were stranger.
const EARLIEST: i64 = 946_684_800;
/// 2200.
const LATEST: i64 = 7_258_118_400;

/// A range as it was asked: each end a local day (`2026-10-25`: its beginning) or a moment (RFC 3339). `to` is exclusive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Not before.
    pub from: Option<String>,
    /// Before.
    pub to: Option<String>,
    /// IANA name of a time zone; UTC by default.
    pub zone: Option<String>,
}

/// A range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) zone: Zone,
}

impl Asked {
    /// The range, at most so many days long. By default the last 30 local days, until now.
    pub(super) fn within(&self, hub: &Hub, days: i64, too_long: &'static str) -> Result<Range, UsageError> {
        let zone = Zone::named(self.zone.as_deref())?;
        let (from, to) = self.ends(zone)?;
        let now = hub.clock.now();
        // Past this quarter, so that what is called at this moment is in it.
        let next = Timestamp::from_timestamp((now.timestamp().div_euclid(QUARTER) + 1) * QUARTER, 0).unwrap_or(now);
        let to = to.unwrap_or(next);
        let usual = || {
            let last = zone.local(to - chrono::Duration::microseconds(1)).date_naive();
            zone.start_of_day(last.checked_sub_days(Days::new(USUAL_DAYS - 1)).unwrap_or(last))
        };
        let from = from.unwrap_or_else(usual);
        if from >= to {
            return Err(UsageError::Invalid { field: "to", message: "must be after from" });
        }
        // A day more, because clock changes make ranges longer than their days.
        if to - from > chrono::Duration::days(days + 1) {
            return Err(UsageError::Invalid { field: "from", message: too_long });
        }
        Ok(Range { from, to, zone })
    }

    /// Both ends, where they were given.
    pub(super) fn ends(&self, zone: Zone) -> Result<(Option<Timestamp>, Option<Timestamp>), UsageError> {
        let from = self.from.as_deref().map(|text| moment("from", text, zone)).transpose()?;
        let to = self.to.as_deref().map(|text| moment("to", text, zone)).transpose()?;
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(UsageError::Invalid { field: "to", message: "must be after from" });
        }
        Ok((from, to))
    }
}

fn moment(field: &'static str, text: &str, zone: Zone) -> Result<Timestamp, UsageError> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
    let at = match day {
        // Zones know no days out of range.
        Some(day) if (2000..2200).contains(&day.year()) => Some(zone.start_of_day(day)),
        Some(_) => None,
        None => text.parse::<Timestamp>().ok().map(hub_types::truncate_to_micros),
    };
    at.filter(|at| (EARLIEST - 86_400..=LATEST).contains(&at.timestamp())).ok_or(UsageError::Invalid {
        field,
        message: "must be a day such as 2026-10-25 or a moment in RFC 3339, from 2000 to 2199",
    })
}
