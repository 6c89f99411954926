//! Sums per hour, day or month of local time, in all and for the dearest groups.

use chrono::{DateTime, FixedOffset};
use hub_store::keys;
use hub_store::usage_totals::{GroupBy, Question, Sums};
use hub_types::{Caller, Credits, Timestamp};

use super::names::{self, Group, Named};
use super::range::Asked;
use super::report::{Reader, Summary};
use super::zone::{Interval, Periods};
use super::{Scope, UsageError};
use crate::Hub;

/// Groups shown by name; the rest is one line.
const LINES: usize = 10;

/// A period of local time.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its first moment in the range.
    pub start: DateTime<FixedOffset>,
    /// The first moment after it.
    pub end: DateTime<FixedOffset>,
    /// Sums of its calls.
    pub sums: Sums,
}

/// One group over time.
#[derive(Debug, Clone)]
pub struct Series {
    /// Which; `None` for all that have no line of their own.
    pub group: Option<Named>,
    /// Over the whole range.
    pub totals: Sums,
    /// Per bucket.
    pub sums: Vec<Sums>,
}

/// Sums over time.
#[derive(Debug, Clone)]
pub struct TimeSeries {
    /// Range and sums over all of it.
    pub summary: Summary,
    /// The periods in order, without gaps, each with the sums of all its calls.
    pub buckets: Vec<Bucket>,
    /// The dearest groups, dearest first, then all others where there are any. Empty without groups.
    pub series: Vec<Series>,
}

/// Usage over time. Hours over at most 31 days, days over at most 400, months over at most five years.
pub async fn timeseries(
    hub: &Hub,
    caller: &Caller,
    scope: &Scope,
    asked: &Asked,
    interval: Interval,
    group: GroupBy,
) -> Result<TimeSeries, UsageError> {
    let (days, too_long) = match interval {
        Interval::Hour => (31, "must be at most 31 days before to for hours"),
        Interval::Day => (400, "must be at most 400 days before to for days"),
        Interval::Month => (1827, "must be at most five years before to for months"),
    };
    let mut reader = Reader::open(hub, caller, scope, asked, days, too_long).await?;
    let (zone, from, to) = (reader.range.zone, reader.range.from, reader.range.to);
    // A range may begin and end between two seconds.
    let last = (to - chrono::Duration::microseconds(1)).timestamp() + 1;
    let periods = zone.periods(interval, from.timestamp(), last);
    let question = Question { period: interval.seconds(), ..reader.question.clone() };

    let mut lines = match group {
        GroupBy::Nothing => Vec::new(),
        GroupBy::User | GroupBy::Key if question.user.is_none() => {
            callers(&mut reader, &question, &periods, group).await?
        }
        _ => grouped(&mut reader, &question, &periods, group).await?,
    };
    let all = line(&mut reader, &question, &periods).await?;
    let named = lines.len().min(LINES);
    if lines.len() > LINES || group != GroupBy::Nothing && total(&all) != sum(lines.iter().map(|line| &line.1)) {
        lines.truncate(named);
        let others = all.iter().enumerate().map(|(place, sums)| less(sums, lines.iter().map(|line| &line.1), place));
        let others: Vec<Sums> = others.collect();
        lines.push((None, others));
    }
    let mut series = Vec::with_capacity(lines.len());
    for (group, sums) in lines {
        let group = match group {
            Some(group) => Some(names::named(&mut reader.tx, group).await?),
            None => None,
        };
        series.push(Series { group, totals: total(&sums), sums });
    }
    let local = |second| zone.local(Timestamp::from_timestamp(second, 0).unwrap_or_default());
    let bucket = |(&(start, end), &sums): (&(i64, i64), &Sums)| Bucket { start: local(start), end: local(end), sums };
    let buckets = periods.list.iter().zip(&all).map(bucket).collect();
    Ok(TimeSeries { summary: reader.summary(total(&all)), buckets, series })
}

/// A group and its sums per period; `None` for the others.
type Line = (Option<Group>, Vec<Sums>);

/// Sums per period without groups.
async fn line(reader: &mut Reader, question: &Question, periods: &Periods) -> Result<Vec<Sums>, UsageError> {
    let mut lines = grouped(reader, question, periods, GroupBy::Nothing).await?;
    Ok(lines.pop().map_or_else(|| vec![Sums::default(); periods.list.len()], |line| line.1))
}

/// Sums per group and period, the dearest group first.
async fn grouped(
    reader: &mut Reader,
    question: &Question,
    periods: &Periods,
    group: GroupBy,
) -> Result<Vec<Line>, UsageError> {
    let question = Question { group, ..question.clone() };
    let mut lines = std::collections::BTreeMap::<Group, Vec<Sums>>::new();
    for &cut in &periods.cuts {
        for part in reader.parts(&question, cut, false).await? {
            let line = lines.entry(Group::of(group, &part));
            let line = line.or_insert_with(|| vec![Sums::default(); periods.list.len()]);
            if let Some(sums) = periods.place(cut, part.period).and_then(|place| line.get_mut(place)) {
                sums.add(&part.sums);
            }
        }
    }
    let mut lines: Vec<Line> = lines.into_iter().map(|(group, sums)| (Some(group), sums)).collect();
    lines.sort_by_cached_key(|(_, sums)| {
        let total = total(sums);
        std::cmp::Reverse((total.credits, total.calls))
    });
    Ok(lines)
}

/// Keys or callers of everybody: who is shown is found in the sums of days; only those are read per period.
async fn callers(
    reader: &mut Reader,
    question: &Question,
    periods: &Periods,
    group: GroupBy,
) -> Result<Vec<Line>, UsageError> {
    let mut lines = Vec::new();
    for (group, _) in reader.ranked(group).await? {
        let one = match group {
            Group::User(user) => Question { user: Some(user), ..question.clone() },
            Group::Key(Some(id)) => match keys::by_id(&mut reader.tx, id).await? {
                Some(key) => Question { user: Some(key.user), key: Some(id), ..question.clone() },
                None => continue,
            },
            // Calls without a key have no common owner; they are among the others.
            Group::Key(None) | Group::Word(_) | Group::All => continue,
        };
        lines.push((Some(group), line(reader, &one, periods).await?));
        if lines.len() == LINES {
            break;
        }
    }
    Ok(lines)
}

fn total(sums: &[Sums]) -> Sums {
    let mut total = Sums::default();
    for one in sums {
        total.add(one);
    }
    total
}

fn sum<'a>(lines: impl Iterator<Item = &'a Vec<Sums>>) -> Sums {
    let mut all = Sums::default();
    lines.for_each(|line| all.add(&total(line)));
    all
}

/// What is left of `all` in one period when these lines are taken out.
fn less<'a>(all: &Sums, lines: impl Iterator<Item = &'a Vec<Sums>>, place: usize) -> Sums {
    let mut taken = Sums::default();
    lines.filter_map(|line| line.get(place)).for_each(|sums| taken.add(sums));
    let mut tokens = all.tokens;
    tokens.input -= taken.tokens.input;
    tokens.cache_read -= taken.tokens.cache_read;
    tokens.cache_write -= taken.tokens.cache_write;
    tokens.output -= taken.tokens.output;
    tokens.reasoning -= taken.tokens.reasoning;
    Sums {
        calls: all.calls - taken.calls,
        failed: all.failed - taken.failed,
        tokens,
        credits: Credits::from_micro(all.credits.micro() - taken.credits.micro()),
    }
}
