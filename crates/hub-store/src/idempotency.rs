//! Acts that carry the caller's own key: which one runs, and how it was answered.
//!
//! A row is taken by one statement, so that of any number of repetitions one acts. Who took it holds it under a lease; should its
//! process die, the lease runs out and a repetition takes the row over.

use hub_types::{HoldId, Timestamp, UserId};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    // A row that has run out is free for any act, one whose lease ran out only for the same.
    CLAIM = "INSERT INTO idempotency_keys (user_id, idem_key, route, body_hash, status, owner, lease_until, created_at, expires_at)
             VALUES ($1, $2, $3, $4, 'running', $5, $6, $7, $8)
             ON CONFLICT (user_id, idem_key) DO UPDATE SET route = excluded.route, body_hash = excluded.body_hash, hold_id = NULL,
               status = 'running', response_status = NULL, response_headers = NULL, response_body = NULL, owner = excluded.owner,
               lease_until = excluded.lease_until, created_at = excluded.created_at, expires_at = excluded.expires_at
             WHERE (idempotency_keys.status = 'done' AND idempotency_keys.expires_at <= $7)
                OR (idempotency_keys.status = 'running' AND idempotency_keys.lease_until <= $7
                    AND (idempotency_keys.expires_at <= $7
                      OR (idempotency_keys.body_hash = excluded.body_hash AND idempotency_keys.route = excluded.route)))";
    GET = "SELECT route, body_hash, hold_id, status, lease_until, response_status, response_headers, response_body
           FROM idempotency_keys WHERE user_id = $1 AND idem_key = $2";
    RENEW = "UPDATE idempotency_keys SET lease_until = $4
             WHERE user_id = $1 AND idem_key = $2 AND owner = $3 AND status = 'running'";
    STREAM = "UPDATE idempotency_keys SET hold_id = $4
              WHERE user_id = $1 AND idem_key = $2 AND owner = $3 AND status = 'running'";
    FINISH = "UPDATE idempotency_keys SET status = 'done', hold_id = $4, response_status = $5, response_headers = $6,
                response_body = $7, lease_until = NULL
              WHERE user_id = $1 AND idem_key = $2 AND owner = $3 AND status = 'running'";
    RELEASE = "DELETE FROM idempotency_keys WHERE user_id = $1 AND idem_key = $2 AND owner = $3 AND status = 'running'";
    PRUNE = "DELETE FROM idempotency_keys WHERE expires_at <= $1 AND (status = 'done' OR lease_until <= $1)";
}

/// An act about to be done.
#[derive(Debug, Clone)]
pub struct NewClaim<'a> {
    /// Whose key it is.
    pub user: UserId,
    /// The caller's name for the act.
    pub key: &'a str,
    /// The route called.
    pub route: &'a str,
    /// SHA-256 of what was sent.
    pub body_hash: &'a [u8],
    /// Who does it; unique to this attempt.
    pub owner: &'a str,
    /// Until when nobody else may take it over.
    pub lease_until: Timestamp,
    /// Now.
    pub at: Timestamp,
    /// Until when the key counts.
    pub expires_at: Timestamp,
}

/// A claim that is held: whose, which, by whom.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Whose key it is.
    pub user: UserId,
    /// The key.
    pub key: &'a str,
    /// The holder.
    pub owner: &'a str,
}

/// How an act was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Receipt of the call.
    pub hold: HoldId,
    /// HTTP status.
    pub status: i32,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body as it is to be kept; `None` when it was too large.
    pub body: Option<Vec<u8>>,
}

/// An act as stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The route called.
    pub route: String,
    /// SHA-256 of what was sent.
    pub body_hash: Vec<u8>,
    /// The call, once it is known.
    pub hold: Option<HoldId>,
    /// The answer, once there is one.
    pub answer: Option<Answer>,
    /// Until when nobody else may take it over; `None` once it is done.
    pub lease_until: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    route: String,
    body_hash: Vec<u8>,
    hold_id: Option<Uuid>,
    status: String,
    lease_until: Option<Timestamp>,
    response_status: Option<i32>,
    response_headers: Option<Json<Vec<(String, String)>>>,
    response_body: Option<Vec<u8>>,
}

/// Takes the key for this act. `false`: it is taken, and [`get`] says by what.
pub async fn claim(tx: &mut Tx, new: &NewClaim<'_>) -> Result<bool> {
    let taken = run!(
        tx,
        execute,
        CLAIM,
        new.user.0,
        new.key,
        new.route,
        new.body_hash,
        new.owner,
        new.lease_until,
        new.at,
        new.expires_at
    )?;
    Ok(taken == 1)
}

/// The act of a key.
pub async fn get(tx: &mut Tx, user: UserId, key: &str) -> Result<Option<Stored>> {
    let row: Option<Row> = run!(tx, row, GET, user.0, key)?;
    Ok(row.map(|row| {
        let hold = row.hold_id.map(HoldId);
        let answered = row.response_status.zip(hold).filter(|_| row.status == "done");
        let answer = answered.map(|(status, hold)| Answer {
            hold,
            status,
            headers: row.response_headers.map(|headers| headers.0).unwrap_or_default(),
            body: row.response_body,
        });
        Stored { route: row.route, body_hash: row.body_hash, hold, answer, lease_until: row.lease_until }
    }))
}

/// Prolongs the lease; `false` when somebody else has taken the act over.
pub async fn renew(tx: &mut Tx, held: Held<'_>, lease_until: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, RENEW, held.user.0, held.key, held.owner, lease_until)? == 1)
}

/// Notes the stream that repetitions may read along.
pub async fn note_stream(tx: &mut Tx, held: Held<'_>, stream: HoldId) -> Result<bool> {
    Ok(run!(tx, execute, STREAM, held.user.0, held.key, held.owner, stream.0)? == 1)
}

/// Stores the answer; `false` when somebody else has taken the act over.
pub async fn finish(tx: &mut Tx, held: Held<'_>, answer: &Answer) -> Result<bool> {
    let headers = Json(&answer.headers);
    let body = answer.body.as_deref();
    let (user, key, owner) = (held.user.0, held.key, held.owner);
    Ok(run!(tx, execute, FINISH, user, key, owner, answer.hold.0, answer.status, headers, body)? == 1)
}

/// Gives the key back: nothing was done.
pub async fn release(tx: &mut Tx, held: Held<'_>) -> Result<bool> {
    Ok(run!(tx, execute, RELEASE, held.user.0, held.key, held.owner)? == 1)
}

/// Deletes what has run out. Returns how many.
pub async fn prune(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    Ok(run!(tx, execute, PRUNE, now)?)
}
