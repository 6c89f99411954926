//! Adding up: which part of a range is read from which sums, and what comes of it.

use hub_store::Tx;
use hub_store::usage_rollup::{self, DAY, QUARTER, State};
use hub_store::usage_totals::{self, GroupBy, Part, Question, Sums};
use hub_types::{Caller, Timestamp};

use super::names::{self, Named};
use super::range::{Asked, Range};
use super::zone::Cut;
use super::{Scope, UsageError};
use crate::Hub;

/// Longest range without periods, in days.
const LONGEST: i64 = 400;
const TOO_LONG: &str = "must be at most 400 days before to";
/// Quarters that are read call by call because something came late to them. If there are more, everything after them is.
const LATE: i64 = 50;

/// Sums of a range.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Not before.
    pub from: Timestamp,
    /// Before.
    pub to: Timestamp,
    /// IANA name.
    pub zone: &'static str,
    /// The sums.
    pub totals: Sums,
}

/// Sums of a range, told apart.
#[derive(Debug, Clone)]
pub struct Breakdown {
    /// Range and sums over all groups.
    pub summary: Summary,
    /// The dearest groups, dearest first.
    pub groups: Vec<(Named, Sums)>,
    /// How many groups there are besides, and their sums.
    pub others: (usize, Sums),
}

/// Sums of the calls of a range: by default of all one may see, in the last 30 days.
pub async fn summary(hub: &Hub, caller: &Caller, scope: &Scope, asked: &Asked) -> Result<Summary, UsageError> {
    let reader = Reader::open(hub, caller, scope, asked, LONGEST, TOO_LONG).await;
    let mut reader = reader?;
    let totals = reader.total().await?;
    Ok(reader.summary(totals))
}

/// The same, told apart by model, provider, service, key or caller; the `limit` dearest groups by name.
pub async fn breakdown(
    hub: &Hub,
    caller: &Caller,
    scope: &Scope,
    asked: &Asked,
    group: GroupBy,
    limit: usize,
) -> Result<Breakdown, UsageError> {
    let mut reader = Reader::open(hub, caller, scope, asked, LONGEST, TOO_LONG).await?;
    let mut ranked = reader.ranked(group).await?;
    let mut totals = Sums::default();
    for (_, sums) in &ranked {
        totals.add(sums);
    }
    let rest = ranked.split_off(limit.min(ranked.len()));
    let mut others = (rest.len(), Sums::default());
    for (_, sums) in &rest {
        others.1.add(sums);
    }
    let mut groups = Vec::with_capacity(ranked.len());
    for (group, sums) in ranked {
        groups.push((names::named(&mut reader.tx, group).await?, sums));
    }
    Ok(Breakdown { summary: reader.summary(totals), groups, others })
}

/// One snapshot in which a report is read.
pub(super) struct Reader {
    pub(super) tx: Tx,
    pub(super) range: Range,
    /// Filters and subject.
    pub(super) question: Question,
    state: State,
    late: Vec<i64>,
}

impl Reader {
    /// Checks what is asked and opens the snapshot.
    pub(super) async fn open(
        hub: &Hub,
        caller: &Caller,
        scope: &Scope,
        asked: &Asked,
        days: i64,
        too_long: &'static str,
    ) -> Result<Self, UsageError> {
        let subject = scope.subject(caller)?;
        scope.check()?;
        let range = asked.within(hub, days, too_long)?;
        let mut tx = hub.store.snapshot().await?;
        let question = scope.question(&mut tx, subject).await?;
        let mut state = usage_rollup::state(&mut tx).await?;
        let (first, last) = quarters(range.from, range.to);
        let mut late = usage_rollup::late(&mut tx, first, last.min(state.closed), LATE + 1).await?;
        if late.len() > usize::try_from(LATE).unwrap_or(usize::MAX) {
            // Still exact, only slower: the worker is behind.
            state.closed = late.pop().unwrap_or(state.closed).min(state.closed);
            late.retain(|quarter| *quarter < state.closed);
        }
        Ok(Self { tx, range, question, state, late })
    }

    pub(super) fn summary(&self, totals: Sums) -> Summary {
        Summary { from: self.range.from, to: self.range.to, zone: self.range.zone.name(), totals }
    }

    /// Sums of the whole range.
    pub(super) async fn total(&mut self) -> Result<Sums, UsageError> {
        let mut totals = Sums::default();
        let question = self.question.clone();
        self.whole(&question).await?.iter().for_each(|part| totals.add(&part.sums));
        Ok(totals)
    }

    /// Sums of the whole range by group, the dearest first.
    pub(super) async fn ranked(&mut self, group: GroupBy) -> Result<Vec<(names::Group, Sums)>, UsageError> {
        let question = Question { group, ..self.question.clone() };
        let mut groups = std::collections::BTreeMap::<names::Group, Sums>::new();
        for part in self.whole(&question).await? {
            groups.entry(names::Group::of(group, &part)).or_default().add(&part.sums);
        }
        let mut ranked: Vec<_> = groups.into_iter().collect();
        ranked.sort_by_key(|(_, sums)| std::cmp::Reverse((sums.credits, sums.calls)));
        Ok(ranked)
    }

    async fn whole(&mut self, question: &Question) -> Result<Vec<Part>, UsageError> {
        let cut = Cut { from: self.range.from.timestamp(), to: self.range.to.timestamp() + 1, offset: 0 };
        self.parts(question, cut, true).await
    }

    /// What the sources say about one cut of the range. With `days`, days of UTC are read as such where they are whole.
    pub(super) async fn parts(&mut self, question: &Question, cut: Cut, days: bool) -> Result<Vec<Part>, UsageError> {
        let question = Question { offset: cut.offset, ..question.clone() };
        // The quarters of the whole hub are fewer than the days of all callers.
        let callers = question.user.is_some() || matches!(question.group, GroupBy::User | GroupBy::Key);
        let days = days && callers;
        let start = |second| Timestamp::from_timestamp(second, 0).unwrap_or_default();
        let (from, to) = (self.range.from.max(start(cut.from)), self.range.to.min(start(cut.to)));
        let mut parts = Vec::new();
        for source in sources(from, to, self.state, &self.late, days)? {
            parts.extend(match source {
                Source::Quarters(from, to) => usage_totals::of_quarters(&mut self.tx, &question, from, to).await?,
                Source::Days(from, to) => usage_totals::of_days(&mut self.tx, &question, from, to).await?,
                Source::Calls(from, to) => usage_totals::of_calls(&mut self.tx, &question, from, to).await?,
            });
        }
        Ok(parts)
    }
}

/// A part of a range, and where it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Quarters(i64, i64),
    Days(i64, i64),
    Calls(Timestamp, Timestamp),
}

/// The quarters that a range touches.
fn quarters(from: Timestamp, to: Timestamp) -> (i64, i64) {
    let last = (to - chrono::Duration::microseconds(1)).timestamp().div_euclid(QUARTER);
    (from.timestamp().div_euclid(QUARTER), last + 1)
}

/// Covers a range without gap and overlap. Call by call is read what is not closed, what something came late to, and the quarters that
/// the range cuts in two; except where the calls are gone, there the whole quarter counts.
fn sources(from: Timestamp, to: Timestamp, state: State, late: &[i64], days: bool) -> Result<Vec<Source>, UsageError> {
    let start = usage_rollup::start_of;
    let (first, last) = quarters(from, to);
    let closed = state.closed.clamp(first, last);
    let mut live: Vec<i64> = late.to_vec();
    if start(first)? != from && first >= state.kept_from {
        live.push(first);
    }
    if start(last)? != to && last > state.kept_from {
        live.push(last - 1);
    }
    live.retain(|quarter| (first..closed).contains(quarter));
    live.sort_unstable();
    live.dedup();
    let mut sources = Vec::new();
    let mut at = first;
    for quarter in live {
        add_closed(&mut sources, at, quarter, days);
        sources.push(Source::Calls(start(quarter)?.max(from), start(quarter + 1)?.min(to)));
        at = quarter + 1;
    }
    add_closed(&mut sources, at, closed, days);
    if closed < last {
        sources.push(Source::Calls(start(closed)?.max(from), to));
    }
    Ok(sources)
}

fn add_closed(sources: &mut Vec<Source>, from: i64, to: i64, days: bool) {
    let (first, last) = ((from + DAY - 1).div_euclid(DAY), to.div_euclid(DAY));
    if days && first < last {
        add_closed(sources, from, first * DAY, false);
        sources.push(Source::Days(first, last));
        add_closed(sources, last * DAY, to, false);
    } else if from < to {
        sources.push(Source::Quarters(from, to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(second, 0).unwrap()
    }

    fn of(from: i64, to: i64, closed: i64, kept_from: i64, late: &[i64], days: bool) -> Vec<Source> {
        sources(at(from), at(to), State { closing: closed, closed, kept_from }, late, days).unwrap()
    }

    #[test]
    fn closed_quarters_are_read_as_sums_and_the_rest_call_by_call() {
        use Source::{Calls, Days, Quarters};
        assert_eq!(of(900, 9000, 5, 0, &[], false), [Quarters(1, 5), Calls(at(4500), at(9000))]);
        assert_eq!(of(900, 1800, 50, 0, &[], false), [Quarters(1, 2)]);
        assert_eq!(of(9000, 9900, 5, 0, &[], false), [Calls(at(9000), at(9900))]);
        let cut = [Calls(at(1000), at(1800)), Quarters(2, 9), Calls(at(8100), at(8200))];
        assert_eq!(of(1000, 8200, 50, 0, &[], false), cut);
        assert_eq!(of(1000, 1100, 50, 0, &[], false), [Calls(at(1000), at(1100))]);
        assert_eq!(of(1000, 8200, 50, 40, &[], false), [Quarters(1, 10)], "the calls are gone");
        let late = [Quarters(1, 3), Calls(at(2700), at(3600)), Quarters(4, 10)];
        assert_eq!(of(900, 9000, 50, 0, &[3], false), late);
        let days = [Quarters(90, 96), Days(1, 3), Quarters(288, 290)];
        assert_eq!(of(90 * 900, 290 * 900, 400, 0, &[], true), days);
    }

    proptest::proptest! {
        #[test]
        fn every_moment_is_read_once(
            from in 0_i64..300_000, length in 1_i64..300_000, closed in 0_i64..700, mut late in proptest::collection::vec(0_i64..700, 0..5),
            days: bool,
        ) {
            late.retain(|quarter| *quarter < closed);
            let mut seconds = std::collections::BTreeMap::new();
            for source in of(from, from + length, closed, 0, &late, days) {
                let (start, end) = match source {
                    Source::Quarters(start, end) => (start * 900, end * 900),
                    Source::Days(start, end) => (start * 86_400, end * 86_400),
                    Source::Calls(start, end) => (start.timestamp(), end.timestamp()),
                };
                proptest::prop_assert!(start < end);
                seconds.insert(start, end);
            }
            let mut next = from;
            for (start, end) in seconds {
                proptest::prop_assert_eq!(start, next);
                next = end;
            }
            proptest::prop_assert_eq!(next, from + length);
        }
    }
}
