//! The questions of `hub ledger verify` about sums of usage: quarters of an hour against the calls that are still kept, longer sums
//! against the next shorter ones, those of the hub against those of its callers. Quarters that are to be added up again are left out.

use hub_types::{Credits, Timestamp, UserId};
use uuid::Uuid;

use crate::usage_rollup::{LENGTHS, QUARTER, start_of, state};
use crate::verify::NAMED;
use crate::{Result, Tx};

/// What is wrong with a sum `s` whose parts add up to `c`.
macro_rules! differs {
    () => {
        "(s.calls IS DISTINCT FROM c.calls OR s.failed IS DISTINCT FROM c.failed OR s.input_tokens IS DISTINCT FROM c.input_tokens \
          OR s.cache_read_tokens IS DISTINCT FROM c.cache_read_tokens OR s.cache_write_tokens IS DISTINCT FROM c.cache_write_tokens \
          OR s.output_tokens IS DISTINCT FROM c.output_tokens OR s.reasoning_tokens IS DISTINCT FROM c.reasoning_tokens \
          OR s.credits IS DISTINCT FROM c.credits)"
    };
}

/// What is told of it, after its caller.
macro_rules! told {
    () => {
        "COALESCE(s.start, c.start), COALESCE(s.service, c.service), COALESCE(s.model, c.model), COALESCE(s.credits, 0), \
         COALESCE(s.calls, 0), COALESCE(c.credits, 0), COALESCE(c.calls, 0)"
    };
}

/// Sums and calls of one caller that belong together.
macro_rules! of_one_caller {
    () => {
        "s.user_id = c.user_id AND s.start = c.start AND s.api_key_id = c.api_key_id AND s.service = c.service \
         AND s.provider = c.provider AND s.model = c.model"
    };
}

statements! {
    // $1 and $2 are the range of calls, $3 and $4 the same in seconds since 1970.
    CALLS = postgres: concat!(
                "SELECT COALESCE(s.user_id, c.user_id), ", told!(), "
                 FROM (SELECT * FROM usage_user_sums WHERE length = 900 AND start >= $3 AND start < $4
                         AND start / 900 NOT IN (SELECT quarter FROM usage_late)) s
                 FULL JOIN (
                   SELECT user_id, start, api_key_id, service, provider, model, ", sums_of_calls!(), "
                   FROM (SELECT CAST(floor(extract(epoch FROM created_at)) AS BIGINT) / 900 * 900 AS start,
                           COALESCE(api_key_id, CAST('00000000-0000-0000-0000-000000000000' AS uuid)) AS api_key_id, user_id, service,
                           provider, model, status, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
                           credits
                         FROM usage_logs WHERE created_at >= $1 AND created_at < $2) x
                   WHERE start / 900 NOT IN (SELECT quarter FROM usage_late)
                   GROUP BY user_id, start, api_key_id, service, provider, model) c ON ", of_one_caller!(), "
                 WHERE ", differs!(), " LIMIT $5"),
            lite: concat!(
                "SELECT COALESCE(s.user_id, c.user_id), ", told!(), "
                 FROM (SELECT * FROM usage_user_sums WHERE length = 900 AND start >= $3 AND start < $4
                         AND start / 900 NOT IN (SELECT quarter FROM usage_late)) s
                 FULL JOIN (
                   SELECT user_id, start, api_key_id, service, provider, model, ", sums_of_calls!(), "
                   FROM (SELECT unixepoch(substr(created_at, 1, 19)) / 900 * 900 AS start, COALESCE(api_key_id, zeroblob(16)) AS api_key_id,
                           user_id, service, provider, model, status, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
                           reasoning_tokens, credits
                         FROM usage_logs WHERE created_at >= $1 AND created_at < $2) x
                   WHERE start / 900 NOT IN (SELECT quarter FROM usage_late)
                   GROUP BY user_id, start, api_key_id, service, provider, model) c ON ", of_one_caller!(), "
                 WHERE ", differs!(), " LIMIT $5");
    // Sums of the length $1 against those of the length $2 before $3.
    LONGER = concat!(
                "SELECT COALESCE(s.user_id, c.user_id), ", told!(), "
                 FROM (SELECT * FROM usage_user_sums WHERE length = $1) s
                 FULL JOIN (
                   SELECT user_id, start, api_key_id, service, provider, model, ", sums_of_sums!(), "
                   FROM (SELECT start / CAST($1 AS BIGINT) * CAST($1 AS BIGINT) AS start, user_id, api_key_id, service, provider, model, ",
                           sum_columns!(), "
                         FROM usage_user_sums WHERE length = $2 AND start < $3) x
                   GROUP BY user_id, start, api_key_id, service, provider, model) c ON ", of_one_caller!(), "
                 WHERE ", differs!(), " LIMIT $4");
    HUB = concat!(
                "SELECT ", told!(), "
                 FROM (SELECT * FROM usage_sums WHERE length = $1) s
                 FULL JOIN (
                   SELECT start, service, provider, model, ", sums_of_sums!(), "
                   FROM usage_user_sums WHERE length = $1 GROUP BY start, service, provider, model) c
                   ON s.start = c.start AND s.service = c.service AND s.provider = c.provider AND s.model = c.model
                 WHERE ", differs!(), " LIMIT $2");
}

/// A sum that its parts do not add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SumFault {
    /// Whose; `None` for the whole hub.
    pub user: Option<UserId>,
    /// How long, in seconds.
    pub length: i64,
    /// From when.
    pub start: Timestamp,
    /// Of which service.
    pub service: String,
    /// Of which model.
    pub model: String,
    /// What it says: credits and calls. Where both are right, tokens or failures are not.
    pub stored: (Credits, i64),
    /// What its parts add up to.
    pub computed: (Credits, i64),
}

/// What `told!` selects.
type Told = (i64, String, String, i64, i64, i64, i64);
/// The same after its caller.
type OfCaller = (Uuid, i64, String, String, i64, i64, i64, i64);

impl SumFault {
    fn of(user: Option<Uuid>, length: i64, told: Told) -> Result<Self> {
        let (start, service, model, credits, calls, computed_credits, computed_calls) = told;
        Ok(Self {
            user: user.map(UserId),
            length,
            start: start_of(start / QUARTER)?,
            service,
            model,
            stored: (Credits::from_micro(credits), calls),
            computed: (Credits::from_micro(computed_credits), computed_calls),
        })
    }
}

/// Callers' sums that the calls which are still kept, or the next shorter sums, do not add up to.
pub async fn of_callers(tx: &mut Tx) -> Result<Vec<SumFault>> {
    let mut faults = Vec::new();
    let state = state(tx).await?;
    let closed = state.closed * QUARTER;
    for length in LENGTHS {
        let rows: Vec<OfCaller> = if let Some(shorter) = LENGTHS.into_iter().find(|shorter| *shorter < length) {
            run!(tx, rows, LONGER, length, shorter, closed / length * length, NAMED)?
        } else {
            let (from, to) = (start_of(state.kept_from)?, start_of(state.closed)?);
            run!(tx, rows, CALLS, from, to, state.kept_from * QUARTER, closed, NAMED)?
        };
        for (user, start, service, model, credits, calls, computed_credits, computed_calls) in rows {
            let told = (start, service, model, credits, calls, computed_credits, computed_calls);
            faults.push(SumFault::of(Some(user), length, told)?);
        }
    }
    Ok(faults)
}

/// Sums of the hub that those of its callers do not add up to.
pub async fn of_hub(tx: &mut Tx) -> Result<Vec<SumFault>> {
    let mut faults = Vec::new();
    for length in LENGTHS {
        let rows: Vec<Told> = run!(tx, rows, HUB, length, NAMED)?;
        for told in rows {
            faults.push(SumFault::of(None, length, told)?);
        }
    }
    Ok(faults)
}
