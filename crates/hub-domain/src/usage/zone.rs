//! Local time: hours, days and months of a time zone as ranges of UTC.
//!
//! A range is cut where the zone's offset changes. Within a cut the offset is constant, so a period is a plain division. A day with a clock
//! change lies in two cuts and is one period; an hour that comes twice is two. No database has to know any of this.

use chrono::{DateTime, Datelike, Duration, FixedOffset, LocalResult, NaiveDate, NaiveTime, Offset, TimeZone};
use chrono_tz::Tz;
use hub_store::usage_rollup::{DAY, HOUR, QUARTER};
use hub_types::Timestamp;

use super::UsageError;

/// A time zone by its IANA name; the default is UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

/// Length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Local hours.
    Hour,
    /// Local days; 23 to 25 hours.
    Day,
    /// Local months.
    Month,
}

/// Seconds since 1970, with one offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    from: i64,
    to: i64,
    /// Seconds that local time is ahead of UTC.
    offset: i64,
}

impl Zone {
    /// By its IANA name, such as `Europe/Berlin`; `None` is UTC.
    pub fn named(name: Option<&str>) -> Result<Self, UsageError> {
        let zone = name.map_or(Ok(Tz::UTC), str::parse);
        zone.map(Self).map_err(|_| UsageError::Invalid {
            field: "tz",
            message: "is not the IANA name of a time zone, such as Europe/Berlin",
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The same moment as this zone's clocks show it.
    pub fn local(self, at: Timestamp) -> DateTime<FixedOffset> {
        at.with_timezone(&self.0).fixed_offset()
    }

    /// When a local day begins: at its first moment that exists.
    pub(super) fn start_of_day(self, day: NaiveDate) -> Timestamp {
        let mut local = day.and_time(NaiveTime::MIN);
        // Clocks skip at most one day (Samoa, 2011).
        for _ in 0..200 {
            match self.0.from_local_datetime(&local) {
                LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => return at.to_utc(),
                LocalResult::None => local += Duration::seconds(QUARTER),
            }
        }
        local.and_utc()
    }

    fn offset(self, at: i64) -> i64 {
        let at = Timestamp::from_timestamp(at, 0).unwrap_or_default();
        i64::from(self.0.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
    }

    /// The range cut where the offset changes. Cuts lie on quarters of an hour.
    fn cuts(self, from: i64, to: i64) -> Vec<Cut> {
        let mut cuts = Vec::new();
        let (mut start, mut at, mut offset) = (from, from, self.offset(from));
        while at < to {
            let next = (at + DAY).min(to);
            if self.offset(next) == offset {
                at = next;
                continue;
            }
            let (mut before, mut after) = (at, next);
            while after - before > 1 {
                let middle = before.midpoint(after);
                if self.offset(middle) == offset { before = middle } else { after = middle }
            }
            // Until 2011 a few zones changed their clocks a minute past midnight.
            let change = (after + QUARTER - 1).div_euclid(QUARTER) * QUARTER;
            if change < to {
                cuts.push(Cut { from: start, to: change, offset });
                start = change;
            }
            at = change.min(to);
            offset = self.offset(change);
        }
        if start < to {
            cuts.push(Cut { from: start, to, offset: self.offset(start) });
        }
        cuts
    }

    /// The periods from `from` to `to` (exclusive), in order and without gaps: start and end of each, in seconds since 1970. The first and the
    /// last one are cut by the range.
    pub(super) fn periods(self, interval: Interval, from: i64, to: i64) -> Vec<(i64, i64)> {
        let length = interval.seconds();
        let mut periods: Vec<(i64, i64)> = Vec::new();
        let mut last = i64::MIN;
        for cut in self.cuts(from, to) {
            for number in (cut.from + cut.offset).div_euclid(length)..=(cut.to - 1 + cut.offset).div_euclid(length) {
                let start = (number * length - cut.offset).max(cut.from);
                let end = ((number + 1) * length - cut.offset).min(cut.to);
                let name = interval.name(cut, number);
                match periods.last_mut() {
                    // Clocks that go back over midnight do not begin the old day again.
                    Some(period) if name <= last => period.1 = end,
                    _ => {
                        periods.push((start, end));
                        last = name;
                    }
                }
            }
        }
        periods
    }
}

impl Interval {
    /// Seconds of one, were clocks never changed; months are made of days.
    const fn seconds(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day | Self::Month => DAY,
        }
    }

    /// One number per period: the same for two parts of one, greater for later ones.
    fn name(self, cut: Cut, number: i64) -> i64 {
        match self {
            Self::Hour => (number * HOUR - cut.offset).max(cut.from),
            Self::Day => number,
            Self::Month => {
                let date = Timestamp::from_timestamp(number * DAY, 0).unwrap_or_default();
                i64::from(date.year()) * 12 + i64::from(date.month0())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::TZ_VARIANTS;

    use super::*;

    fn seconds(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().timestamp()
    }

    fn lengths(zone: &str, interval: Interval, from: &str, to: &str) -> Vec<i64> {
        let zone = Zone::named(Some(zone)).unwrap();
        let periods = zone.periods(interval, seconds(from), seconds(to));
        assert!(periods.windows(2).all(|pair| pair[0].1 == pair[1].0), "{zone:?}");
        periods.iter().map(|(start, end)| (end - start) / 60).collect()
    }

    #[test]
    fn a_day_is_as_long_as_its_clocks_say() {
        let berlin = lengths("Europe/Berlin", Interval::Day, "2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z");
        assert_eq!(berlin, [24 * 60, 25 * 60, 24 * 60]);
        let york = lengths("America/New_York", Interval::Day, "2026-03-08T05:00:00Z", "2026-03-10T04:00:00Z");
        assert_eq!(york, [23 * 60, 24 * 60]);
        let howe = lengths("Australia/Lord_Howe", Interval::Day, "2026-04-03T13:00:00Z", "2026-04-05T13:30:00Z");
        assert_eq!(howe, [24 * 60, 24 * 60 + 30]);
        let nepal = lengths("Asia/Kathmandu", Interval::Day, "2026-04-03T18:15:00Z", "2026-04-05T18:15:00Z");
        assert_eq!(nepal, [24 * 60, 24 * 60]);
        let months = lengths("Pacific/Kiritimati", Interval::Month, "2026-01-31T10:00:00Z", "2026-03-31T10:00:00Z");
        assert_eq!(months, [28 * 24 * 60, 31 * 24 * 60]);
    }

    #[test]
    fn an_hour_that_comes_twice_is_two_hours() {
        let hours = lengths("Europe/Berlin", Interval::Hour, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        assert_eq!(hours, [60; 25]);
        let hours = lengths("Australia/Lord_Howe", Interval::Hour, "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z");
        assert_eq!((hours.iter().sum::<i64>(), hours.len()), (24 * 60 + 30, 25));
    }

    #[test]
    fn a_day_begins_when_it_first_exists() {
        let start = |zone, day: (i32, u32, u32)| {
            let day = NaiveDate::from_ymd_opt(day.0, day.1, day.2).unwrap();
            Zone::named(Some(zone)).unwrap().start_of_day(day).to_rfc3339()
        };
        assert_eq!(start("Pacific/Kiritimati", (2026, 11, 23)), "2026-11-22T10:00:00+00:00");
        assert_eq!(start("Pacific/Pago_Pago", (2026, 11, 23)), "2026-11-23T11:00:00+00:00");
        // At midnight the clocks of Beirut go to one.
        assert_eq!(start("Asia/Beirut", (2026, 3, 29)), "2026-03-28T22:00:00+00:00");
    }

    #[test]
    fn every_zone_is_quarters_of_an_hour_away_from_utc() {
        for zone in TZ_VARIANTS {
            for cut in Zone(zone).cuts(seconds("2020-01-01T00:00:00Z"), seconds("2030-01-01T00:00:00Z")) {
                assert_eq!((cut.offset % QUARTER, cut.from % QUARTER), (0, 0), "{zone} {cut:?}");
            }
        }
    }
}
