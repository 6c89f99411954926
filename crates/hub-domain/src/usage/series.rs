//! Sums per hour, day or month of local time, in all and for the dearest groups.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, FixedOffset};
use hub_store::usage_totals::{GroupBy, Question, Sums};
use hub_types::{Caller, Credits, Timestamp};

use super::names::{self, Group, Named};
use super::range::Asked;
use super::reader::{Ranked, Reader};
use super::report::Summary;
use super::zone::Interval;
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

    let (lines, complete) = match group {
        GroupBy::Nothing => (Vec::new(), false),
        _ => dearest(&mut reader, &periods, group).await?,
    };
    let all = if complete { added(&lines, periods.len()) } else { all(&mut reader, &periods).await? };
    let (groups, mut sums): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
    let named = names::named(&mut reader.tx, groups).await?;
    let mut groups: Vec<Option<Named>> = named.into_iter().map(Some).collect();
    if !complete && group != GroupBy::Nothing {
        sums.push(all.iter().enumerate().map(|(place, whole)| less(whole, &sums, place)).collect());
        groups.push(None);
    }
    let line = |(group, sums): (_, Vec<Sums>)| Series { group, totals: total(&sums), sums };
    let series = groups.into_iter().zip(sums).map(line).collect();
    let local = |second| zone.local(Timestamp::from_timestamp(second, 0).unwrap_or_default());
    let bucket = |(&(start, end), &sums): (&(i64, i64), &Sums)| Bucket { start: local(start), end: local(end), sums };
    let buckets = periods.iter().zip(&all).map(bucket).collect();
    Ok(TimeSeries { summary: reader.summary(total(&all)), buckets, series })
}

/// Sums per period without groups.
async fn all(reader: &mut Reader, periods: &[(i64, i64)]) -> Result<Vec<Sums>, UsageError> {
    let question = reader.question.clone();
    let mut all = vec![Sums::default(); periods.len()];
    for part in reader.parts(&question, periods).await? {
        if let Some(sums) = all.get_mut(part.place) {
            sums.add(&part.sums);
        }
    }
    Ok(all)
}

/// The dearest groups and their sums per period, the dearest first; `true` when there are no others. Which ones is found in the sums of days;
/// only those are read per period.
async fn dearest(
    reader: &mut Reader,
    periods: &[(i64, i64)],
    group: GroupBy,
) -> Result<(Vec<(Group, Vec<Sums>)>, bool), UsageError> {
    let mut ranked = reader.ranked(group).await?;
    let count = ranked.len();
    let everybody = reader.question.users.is_empty();
    // Calls without a key have no common owner; they are among the others.
    ranked.retain(|one| !(everybody && one.group == Group::Key(None)));
    ranked.truncate(LINES);
    let complete = ranked.len() == count;
    let mut question = Question { group, ..reader.question.clone() };
    if !complete {
        narrow(&mut question, &ranked);
    }
    let mut lines: Vec<_> = ranked.into_iter().map(|one| (one.group, vec![Sums::default(); periods.len()])).collect();
    let places: HashMap<Group, usize> = lines.iter().enumerate().map(|(place, line)| (line.0.clone(), place)).collect();
    for part in reader.parts(&question, periods).await? {
        let line = places.get(&Group::of(group, &part)).and_then(|place| lines.get_mut(*place));
        if let Some(sums) = line.and_then(|line| line.1.get_mut(part.place)) {
            sums.add(&part.sums);
        }
    }
    Ok((lines, complete))
}

/// Asks for these groups only, or for few more.
fn narrow(question: &mut Question, groups: &[Ranked]) {
    let words =
        || groups.iter().filter_map(|one| if let Group::Word(word) = &one.group { Some(word.clone()) } else { None });
    match question.group {
        GroupBy::Nothing => {}
        GroupBy::Model => question.models = words().collect(),
        GroupBy::Provider => question.providers = words().collect(),
        GroupBy::Service => question.services = words().collect(),
        GroupBy::User | GroupBy::Key => {
            let users: BTreeSet<_> = groups.iter().filter_map(|one| one.user).collect();
            question.users = users.into_iter().collect();
            let key = |one: &Ranked| if let Group::Key(key) = one.group { key } else { None };
            // Sums without a key are among those of all keys.
            question.keys = groups.iter().map(key).collect::<Option<_>>().unwrap_or_default();
        }
    }
}

fn total(sums: &[Sums]) -> Sums {
    let mut total = Sums::default();
    for one in sums {
        total.add(one);
    }
    total
}

/// The sums of all lines per period.
fn added(lines: &[(Group, Vec<Sums>)], periods: usize) -> Vec<Sums> {
    let mut all = vec![Sums::default(); periods];
    for (_, line) in lines {
        all.iter_mut().zip(line).for_each(|(all, sums)| all.add(sums));
    }
    all
}

/// What is left of the `whole` of one period when these lines are taken out.
fn less(whole: &Sums, lines: &[Vec<Sums>], place: usize) -> Sums {
    let mut taken = Sums::default();
    lines.iter().filter_map(|line| line.get(place)).for_each(|sums| taken.add(sums));
    let mut tokens = whole.tokens;
    tokens.input -= taken.tokens.input;
    tokens.cache_read -= taken.tokens.cache_read;
    tokens.cache_write -= taken.tokens.cache_write;
    tokens.output -= taken.tokens.output;
    tokens.reasoning -= taken.tokens.reasoning;
    Sums {
        calls: whole.calls - taken.calls,
        failed: whole.failed - taken.failed,
        tokens,
        credits: Credits::from_micro(whole.credits.micro() - taken.credits.micro()),
    }
}
