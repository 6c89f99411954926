//! What an administrator lets one user ask and use at a time, in place of what the role may.

use hub_types::{Timestamp, UserId, UserLimits};

use crate::{Result, StoreError, Tx};

statements! {
    OF = "SELECT requests_per_minute, tokens_per_minute, concurrent_calls FROM user_limits WHERE user_id = $1";
    PUT = "INSERT INTO user_limits (user_id, requests_per_minute, tokens_per_minute, concurrent_calls, updated_at)
           VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (user_id) DO UPDATE SET requests_per_minute = excluded.requests_per_minute,
             tokens_per_minute = excluded.tokens_per_minute, concurrent_calls = excluded.concurrent_calls,
             updated_at = excluded.updated_at";
}

/// The limits set for this user; none of them where nobody set any.
pub async fn of(tx: &mut Tx, user: UserId) -> Result<UserLimits> {
    let row: Option<(Option<i64>, Option<i64>, Option<i64>)> = run!(tx, row, OF, user.0)?;
    let Some((requests, tokens, calls)) = row else { return Ok(UserLimits::default()) };
    Ok(UserLimits {
        requests_per_minute: limit(requests)?,
        tokens_per_minute: limit(tokens)?,
        concurrent_calls: limit(calls)?,
    })
}

/// Replaces all of them.
pub async fn put(tx: &mut Tx, user: UserId, limits: &UserLimits, now: Timestamp) -> Result<()> {
    let UserLimits { requests_per_minute, tokens_per_minute, concurrent_calls } = *limits;
    let [requests, tokens, calls] =
        [requests_per_minute, tokens_per_minute, concurrent_calls].map(|limit| limit.map(i64::from));
    run!(tx, execute, PUT, user.0, requests, tokens, calls, now)?;
    Ok(())
}

fn limit(stored: Option<i64>) -> Result<Option<u32>> {
    stored.map(u32::try_from).transpose().map_err(|_| StoreError::Corrupt("a limit of a user"))
}
