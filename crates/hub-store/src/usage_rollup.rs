//! Adding usage up: quarters of an hour are closed one after the other, and added up again when a call comes late. Longer sums are
//! made of them as soon as they are complete, and again when one of theirs is.
//!
//! Nothing here decides when. What makes the sums exact: a trigger marks every call that is written into a closed quarter (see
//! `0013_usage.sql`), closing waits for the writers that could not know of it, and a mark goes away in the transaction that adds
//! its quarter up again.

use std::collections::BTreeSet;

use hub_types::Timestamp;
use sqlx::FromRow;

use crate::{Result, StoreError, Tx};

statements! {
    STATE = "SELECT closing, closed, kept_from FROM usage_rollup";
    // Waits for every transaction that has written usage and holds new ones back until the end of this one. The table itself is
    // enough, its partitions are written through it. SQLite has one writer anyway.
    HALT = postgres: "LOCK TABLE ONLY usage_logs IN SHARE MODE", lite: "SELECT 1";
    HALT_AT_MOST = postgres: "SET LOCAL lock_timeout = '2s'", lite: "SELECT 1";
    CLOSING = "UPDATE usage_rollup SET closing = $1 WHERE closing < $1";
    // Also the lock under which quarters are added up: one transaction at a time.
    CLOSED = "UPDATE usage_rollup SET closed = $2 WHERE closed = $1 AND closing >= $2";
    LOCK = "UPDATE usage_rollup SET closed = closed RETURNING closing, closed, kept_from";
    KEPT_FROM = "UPDATE usage_rollup SET kept_from = $1 WHERE kept_from < $1 AND closed >= $1
                   AND NOT EXISTS (SELECT 1 FROM usage_late WHERE quarter < $1)";
    OLDEST = "SELECT MIN(created_at) FROM usage_logs";
    LATE = "SELECT DISTINCT quarter FROM usage_late WHERE quarter >= $1 AND quarter < $2 ORDER BY quarter LIMIT $3";
    UNMARK = "DELETE FROM usage_late WHERE quarter = $1";
    // $1 to $2 (exclusive) is the range in seconds since 1970, $3 the length of a sum.
    CLEAR_USERS = "DELETE FROM usage_user_sums WHERE length = $3 AND start >= $1 AND start < $2";
    CLEAR_HUB = "DELETE FROM usage_sums WHERE length = $3 AND start >= $1 AND start < $2";
    ADD_CALLS = postgres: concat!(
                    "INSERT INTO usage_user_sums (user_id, length, start, api_key_id, service, provider, model, ", sum_columns!(), ")
                     SELECT user_id, 900, start, key_id, service, provider, model, ", sums_of_calls!(), "
                     FROM (SELECT CAST(floor(extract(epoch FROM created_at)) AS BIGINT) / 900 * 900 AS start,
                             COALESCE(api_key_id, CAST('00000000-0000-0000-0000-000000000000' AS uuid)) AS key_id, user_id, service, provider,
                             model, status, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, credits
                           FROM usage_logs WHERE created_at >= $1 AND created_at < $2) x
                     GROUP BY user_id, start, key_id, service, provider, model ORDER BY user_id, start"),
                lite: concat!(
                    "INSERT INTO usage_user_sums (user_id, length, start, api_key_id, service, provider, model, ", sum_columns!(), ")
                     SELECT user_id, 900, start, key_id, service, provider, model, ", sums_of_calls!(), "
                     FROM (SELECT unixepoch(substr(created_at, 1, 19)) / 900 * 900 AS start,
                             COALESCE(api_key_id, zeroblob(16)) AS key_id, user_id, service, provider,
                             model, status, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, credits
                           FROM usage_logs WHERE created_at >= $1 AND created_at < $2) x
                     GROUP BY user_id, start, key_id, service, provider, model ORDER BY user_id, start");
    // From sums of the length $4.
    ADD_USERS = concat!(
                    "INSERT INTO usage_user_sums (user_id, length, start, api_key_id, service, provider, model, ", sum_columns!(), ")
                     SELECT user_id, CAST($3 AS BIGINT), longer, api_key_id, service, provider, model, ", sums_of_sums!(), "
                     FROM (SELECT start / CAST($3 AS BIGINT) * CAST($3 AS BIGINT) AS longer, user_id, api_key_id, service, provider, model, ",
                             sum_columns!(), "
                           FROM usage_user_sums WHERE length = $4 AND start >= $1 AND start < $2) x
                     GROUP BY user_id, longer, api_key_id, service, provider, model ORDER BY user_id, longer");
    ADD_HUB = concat!(
                    "INSERT INTO usage_sums (length, start, service, provider, model, ", sum_columns!(), ")
                     SELECT length, start, service, provider, model, ", sums_of_sums!(), "
                     FROM usage_user_sums WHERE length = $3 AND start >= $1 AND start < $2
                     GROUP BY length, start, service, provider, model ORDER BY start");
    DELETE = "DELETE FROM usage_logs WHERE (created_at, id) IN
                (SELECT created_at, id FROM usage_logs WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
}

/// Seconds of a quarter of an hour.
pub const QUARTER: i64 = 900;
/// Seconds of an hour.
pub const HOUR: i64 = 3600;
/// Seconds of a day.
pub const DAY: i64 = 86_400;
/// Lengths that sums are kept of, in seconds and counted from 1970, the longest first; each is a whole number of the next one.
pub const LENGTHS: [i64; 4] = [10 * DAY, DAY, HOUR, QUARTER];

/// How far usage is added up. All are quarters since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct State {
    /// Calls written before this one leave a mark.
    pub closing: i64,
    /// Everything before this one is added up.
    pub closed: i64,
    /// Calls before this one were deleted.
    pub kept_from: i64,
}

/// When a quarter begins.
pub fn start_of(quarter: i64) -> Result<Timestamp> {
    Timestamp::from_timestamp(quarter * QUARTER, 0).ok_or(StoreError::Corrupt("a quarter out of range"))
}

/// How far usage is added up.
pub async fn state(tx: &mut Tx) -> Result<State> {
    let state: Option<State> = run!(tx, row, STATE)?;
    state.ok_or(StoreError::Corrupt("the state of the usage roll-up"))
}

/// When the oldest call began.
pub async fn oldest(tx: &mut Tx) -> Result<Option<Timestamp>> {
    let oldest: Option<Option<Timestamp>> = run!(tx, scalar, OLDEST)?;
    Ok(oldest.flatten())
}

/// From the commit of this transaction on, whoever writes a call that began before `quarter` leaves a mark; whoever wrote one without a
/// mark has committed before. On PostgreSQL it waits 2 s at most for writers, who wait for it in turn: commit at once.
pub async fn begin_closing(tx: &mut Tx, quarter: i64) -> Result<()> {
    run!(tx, execute, HALT_AT_MOST)?;
    run!(tx, execute, HALT)?;
    run!(tx, execute, CLOSING, quarter)?;
    Ok(())
}

/// Adds up the quarters from `from`, which must be where it stands, to `to`. `false`: somebody else was faster, or `begin_closing` did not
/// come so far. Longer sums that are complete by then are made too.
pub async fn close(tx: &mut Tx, from: i64, to: i64) -> Result<bool> {
    if run!(tx, execute, CLOSED, from, to)? != 1 {
        return Ok(false);
    }
    let (from, to) = (from * QUARTER, to * QUARTER);
    for length in LENGTHS.into_iter().rev() {
        let (first, last) = (from / length * length, to / length * length);
        if first < last {
            add(tx, length, first, last).await?;
        }
    }
    Ok(true)
}

/// Quarters from `from` to `to` (exclusive) that calls came too late for, at most `limit` of them.
pub async fn late(tx: &mut Tx, from: i64, to: i64, limit: i64) -> Result<Vec<i64>> {
    Ok(run!(tx, scalars, LATE, from, to, limit)?)
}

/// Adds up at most `limit` quarters again that calls came too late for; returns how many. What came too late even for retention is
/// not counted.
pub async fn again(tx: &mut Tx, limit: i64) -> Result<usize> {
    let state: Option<State> = run!(tx, row, LOCK)?;
    let state = state.ok_or(StoreError::Corrupt("the state of the usage roll-up"))?;
    let quarters = late(tx, 0, state.closed, limit).await?;
    // Shorter ones first: longer ones are made of them.
    let mut sums = BTreeSet::new();
    for &quarter in &quarters {
        // First the marks, then the sums: a call whose mark is seen here is seen by the sums. One that commits in between keeps its mark.
        run!(tx, execute, UNMARK, quarter)?;
        if quarter < state.kept_from {
            tracing::error!(quarter, "a call was written after its month had been deleted; it is not counted");
            continue;
        }
        let lengths = LENGTHS.into_iter().map(|length| (length, quarter * QUARTER / length * length));
        sums.extend(lengths.filter(|(length, start)| start + length <= state.closed * QUARTER));
    }
    for (length, start) in sums {
        run!(tx, execute, CLEAR_USERS, start, start + length, length)?;
        run!(tx, execute, CLEAR_HUB, start, start + length, length)?;
        add(tx, length, start, start + length).await?;
    }
    Ok(quarters.len())
}

/// Lets go of calls before `quarter`. `false`: it was let go of before, or not everything there is added up yet.
pub async fn let_go(tx: &mut Tx, quarter: i64) -> Result<bool> {
    Ok(run!(tx, execute, KEPT_FROM, quarter)? == 1)
}

/// Deletes up to `limit` calls older than `before`, which must have been let go of; returns how many.
pub async fn delete_before(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(run!(tx, execute, DELETE, before, limit)?)
}

/// Makes the sums of one length, from `from` to `to` in seconds since 1970: those of quarters from the calls, longer ones from the next
/// shorter ones.
async fn add(tx: &mut Tx, length: i64, from: i64, to: i64) -> Result<()> {
    if let Some(shorter) = LENGTHS.into_iter().find(|shorter| *shorter < length) {
        run!(tx, execute, ADD_USERS, from, to, length, shorter)?;
    } else {
        let (from, to) = (start_of(from / QUARTER)?, start_of(to / QUARTER)?);
        run!(tx, execute, ADD_CALLS, from, to)?;
    }
    run!(tx, execute, ADD_HUB, from, to, length)?;
    Ok(())
}
