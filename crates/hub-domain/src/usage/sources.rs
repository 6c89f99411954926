//! Which part of a range is read from sums and which call by call; and which sums: as long ones as fit.
//!
//! Invariant: every moment of the range is read once.

use hub_store::usage_rollup::{self, LENGTHS, QUARTER, State};
use hub_store::usage_totals::{Moments, Span};
use hub_store::{StoreError, Tx};
use hub_types::Timestamp;

/// Quarters that are read call by call because something came late to them. If there are more, everything after them is.
const LATE: i64 = 50;
/// One period, which holds every moment.
pub(super) const WHOLE: &[(i64, i64)] = &[(i64::MIN, i64::MAX)];

/// A part of a range, and where it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// From sums. Quarters since 1970.
    Sums(i64, i64),
    /// From the calls.
    Calls(Timestamp, Timestamp),
}

/// Where to read a range, as usage is added up at this moment. What is read must be read in the same snapshot.
pub(super) async fn of_range(tx: &mut Tx, from: Timestamp, to: Timestamp) -> Result<Vec<Source>, StoreError> {
    let mut state = usage_rollup::state(tx).await?;
    let (first, last) = quarters(from, to);
    let mut late = usage_rollup::late(tx, first, last.min(state.closed), LATE + 1).await?;
    if late.len() > usize::try_from(LATE).unwrap_or(usize::MAX) {
        // Still exact, only slower: the worker is behind.
        state.closed = late.pop().unwrap_or(state.closed).min(state.closed);
        late.retain(|quarter| *quarter < state.closed);
    }
    sources(from, to, state, &late)
}

/// The quarters that a range touches.
fn quarters(from: Timestamp, to: Timestamp) -> (i64, i64) {
    let last = (to - chrono::Duration::microseconds(1)).timestamp().div_euclid(QUARTER);
    (from.timestamp().div_euclid(QUARTER), last + 1)
}

/// Covers a range without gap and overlap. Call by call is read what is not closed, what something came late to, and the quarters that
/// the range cuts in two; except where the calls are gone, there the whole quarter counts.
fn sources(from: Timestamp, to: Timestamp, state: State, late: &[i64]) -> Result<Vec<Source>, StoreError> {
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
        if at < quarter {
            sources.push(Source::Sums(at, quarter));
        }
        sources.push(Source::Calls(start(quarter)?.max(from), start(quarter + 1)?.min(to)));
        at = quarter + 1;
    }
    if at < closed {
        sources.push(Source::Sums(at, closed));
    }
    if closed < last {
        sources.push(Source::Calls(start(closed)?.max(from), to));
    }
    Ok(sources)
}

/// The sums to read, the longest that lie within one period each. Periods are in seconds since 1970, in order and without gaps.
pub(super) fn spans(sources: &[Source], periods: &[(i64, i64)]) -> Vec<Span> {
    let mut spans = Vec::new();
    for source in sources {
        let Source::Sums(from, to) = *source else { continue };
        for (place, start, end) in opened(periods) {
            // A quarter belongs where it begins.
            let quarter = |second: i64| second.div_euclid(QUARTER) + i64::from(second.rem_euclid(QUARTER) != 0);
            let (start, end) = (from.max(quarter(start)), to.min(quarter(end)));
            add(&mut spans, place, start * QUARTER, end * QUARTER, &LENGTHS);
        }
    }
    spans
}

/// Covers from `from` to `to` with sums of these lengths, the longest in the middle.
fn add(spans: &mut Vec<Span>, place: usize, from: i64, to: i64, lengths: &[i64]) {
    let Some((&length, shorter)) = lengths.split_first().filter(|_| from < to) else { return };
    let (first, last) = ((from + length - 1).div_euclid(length) * length, to.div_euclid(length) * length);
    if first >= last {
        return add(spans, place, from, to, shorter);
    }
    add(spans, place, from, first, shorter);
    push(spans, Span { place, length, from: first, to: last, step: last - first });
    add(spans, place, last, to, shorter);
}

/// Adds a span of one period, to the last one where it goes on as that did: most periods are equally long.
fn push(spans: &mut Vec<Span>, span: Span) {
    if let Some(last) = spans.last_mut() {
        let periods = (last.to - last.from) / last.step;
        let next = usize::try_from(periods).map(|periods| last.place + periods);
        if (last.length, last.to, last.step) == (span.length, span.from, span.step) && next == Ok(span.place) {
            last.to = span.to;
            return;
        }
    }
    spans.push(span);
}

/// What is read call by call, cut by periods.
pub(super) fn moments(sources: &[Source], periods: &[(i64, i64)]) -> Vec<Moments> {
    let at = |second| Timestamp::from_timestamp(second, 0);
    let mut moments = Vec::new();
    for source in sources {
        let Source::Calls(from, to) = *source else { continue };
        for (place, start, end) in opened(periods) {
            // What lies beyond all time does not cut.
            let from = at(start).map_or(from, |start| start.max(from));
            let to = at(end).map_or(to, |end| end.min(to));
            if from < to {
                moments.push(Moments { place, from, to });
            }
        }
    }
    moments
}

/// Periods with their places; the first one and the last one without end.
fn opened(periods: &[(i64, i64)]) -> impl Iterator<Item = (usize, i64, i64)> {
    let last = periods.len().saturating_sub(1);
    periods.iter().enumerate().map(move |(place, &(start, end))| {
        (place, if place == 0 { i64::MIN } else { start }, if place == last { i64::MAX } else { end })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(second, 0).unwrap()
    }

    fn of(from: i64, to: i64, closed: i64, kept_from: i64, late: &[i64]) -> Vec<Source> {
        sources(at(from), at(to), State { closing: closed, closed, kept_from }, late).unwrap()
    }

    #[test]
    fn closed_quarters_are_read_as_sums_and_the_rest_call_by_call() {
        use Source::{Calls, Sums};
        assert_eq!(of(900, 9000, 5, 0, &[]), [Sums(1, 5), Calls(at(4500), at(9000))]);
        assert_eq!(of(900, 1800, 50, 0, &[]), [Sums(1, 2)]);
        assert_eq!(of(9000, 9900, 5, 0, &[]), [Calls(at(9000), at(9900))]);
        let cut = [Calls(at(1000), at(1800)), Sums(2, 9), Calls(at(8100), at(8200))];
        assert_eq!(of(1000, 8200, 50, 0, &[]), cut);
        assert_eq!(of(1000, 1100, 50, 0, &[]), [Calls(at(1000), at(1100))]);
        assert_eq!(of(1000, 8200, 50, 40, &[]), [Sums(1, 10)], "the calls are gone");
        let late = [Sums(1, 3), Calls(at(2700), at(3600)), Sums(4, 10)];
        assert_eq!(of(900, 9000, 50, 0, &[3]), late);
    }

    #[test]
    fn the_longest_sums_that_lie_within_a_period_are_read() {
        let of = |sources: &[Source], periods: &[(i64, i64)]| {
            let spans = spans(sources, periods).into_iter();
            spans.map(|span| (span.place, span.length, span.from, span.to)).collect::<Vec<_>>()
        };
        let hours = |n: i64| n * 3600;
        let days = of(&[Source::Sums(89, 290)], WHOLE);
        let expected = [
            (0, 900, 89 * 900, hours(23)),
            (0, 3600, hours(23), hours(24)),
            (0, 86_400, hours(24), hours(72)),
            (0, 900, hours(72), 290 * 900),
        ];
        assert_eq!(days, expected);
        let all = of(&[Source::Sums(9 * 96, 31 * 96)], WHOLE);
        assert_eq!(
            all,
            [
                (0, 86_400, hours(9 * 24), hours(240)),
                (0, 864_000, hours(240), hours(720)),
                (0, 86_400, hours(720), hours(744))
            ]
        );
        // Days that begin at 18:15 UTC hold no day of UTC, but most of their hours.
        let nepal: Vec<_> = (-1..2).map(|day| (hours(day * 24 + 18) + 900, hours(day * 24 + 42) + 900)).collect();
        let day = of(&[Source::Sums(18 * 4 + 1, 42 * 4 + 1)], &nepal);
        assert_eq!(
            day,
            [
                (1, 900, hours(18) + 900, hours(19)),
                (1, 3600, hours(19), hours(42)),
                (1, 900, hours(42), hours(42) + 900)
            ]
        );
        // Hours of a day, all of the same width, are one span; the first one is shorter.
        let hour: Vec<_> = (0..24).map(|hour| (hours(hour), hours(hour + 1))).collect();
        let found = spans(&[Source::Sums(1, 96)], &hour);
        let [first, rest] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((first.place, first.length, first.from, first.to), (0, 900, 900, 3600));
        assert_eq!((rest.place, rest.length, rest.from, rest.to, rest.step), (1, 3600, 3600, hours(24), 3600));
        // The range is cut within its first quarter, whose calls are gone; the whole of it counts.
        assert_eq!(of(&[Source::Sums(4, 5)], &[(4000, 4500)]), [(0, 900, 3600, 4500)]);
    }

    proptest! {
        #[test]
        fn every_moment_is_read_once_and_in_its_period(
            from in 0_i64..1_000_000, length in 1_i64..2_000_000, closed in 0_i64..3500,
            mut late in proptest::collection::vec(0_i64..3500, 0..5),
            mut cuts in proptest::collection::vec(0_i64..3500, 0..9),
        ) {
            late.retain(|quarter| *quarter < closed);
            let to = from + length;
            cuts.retain(|quarter| (from + 1..to).contains(&(quarter * QUARTER)));
            cuts.sort_unstable();
            cuts.dedup();
            let ends: Vec<i64> = [from].into_iter().chain(cuts.iter().map(|quarter| quarter * QUARTER)).chain([to]).collect();
            let periods: Vec<_> = ends.windows(2).map(|pair| (pair[0], pair[1])).collect();
            let sources = of(from, to, closed, 0, &late);
            let mut read = Vec::new();
            for span in spans(&sources, &periods) {
                prop_assert!(span.from % span.length == 0 && span.to % span.length == 0, "{:?}", span);
                // Every sum where the database puts it.
                let starts = (span.from..span.to).step_by(usize::try_from(span.length).unwrap());
                read.extend(starts.map(|start| {
                    let further = usize::try_from((start - span.from) / span.step).unwrap();
                    (start, start + span.length, span.place + further)
                }));
            }
            read.extend(moments(&sources, &periods).into_iter().map(|one| (one.from.timestamp(), one.to.timestamp(), one.place)));
            read.sort_unstable();
            let mut next = from;
            for (start, end, place) in read {
                prop_assert_eq!(start, next);
                prop_assert!(start < end && periods[place].0 <= start && end <= periods[place].1);
                next = end;
            }
            prop_assert_eq!(next, to);
        }
    }
}
