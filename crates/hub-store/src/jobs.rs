//! Background work, enqueued in the same transaction as the change that causes it.
//!
//! A job is claimed under a lease; should its worker die, the lease runs out and another worker takes it. So every job may run
//! more than once and must be idempotent.

use hub_types::{JobId, Timestamp};
use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    ENQUEUE = "INSERT INTO jobs (id, kind, payload, dedupe_key, status, run_at, attempts, max_attempts, created_at)
               VALUES ($1, $2, $3, $4, 'queued', $5, 0, $6, $7) ON CONFLICT (dedupe_key) DO NOTHING";
    CLAIM = postgres: "UPDATE jobs SET status = 'running', attempts = attempts + 1, lease_owner = $1, lease_until = $2
                       WHERE id IN (SELECT id FROM jobs WHERE status IN ('queued', 'running') AND run_at <= $3
                                      AND (status = 'queued' OR lease_until < $3)
                                    ORDER BY run_at LIMIT $4 FOR UPDATE SKIP LOCKED)
                       RETURNING id, kind, payload, attempts, max_attempts",
            lite: "UPDATE jobs SET status = 'running', attempts = attempts + 1, lease_owner = $1, lease_until = $2
                   WHERE id IN (SELECT id FROM jobs WHERE status IN ('queued', 'running') AND run_at <= $3
                                  AND (status = 'queued' OR lease_until < $3)
                                ORDER BY run_at LIMIT $4)
                   RETURNING id, kind, payload, attempts, max_attempts";
    FINISH = "UPDATE jobs SET status = 'done', finished_at = $3, payload = $4, lease_owner = NULL, lease_until = NULL, last_error = NULL
              WHERE id = $1 AND status = 'running' AND lease_owner = $2";
    RETRY = "UPDATE jobs SET status = CASE WHEN attempts >= max_attempts THEN 'failed' ELSE 'queued' END,
               finished_at = CASE WHEN attempts >= max_attempts THEN $5 ELSE finished_at END,
               run_at = $3, last_error = $4, lease_owner = NULL, lease_until = NULL
             WHERE id = $1 AND status = 'running' AND lease_owner = $2";
    FAIL = "UPDATE jobs SET status = 'failed', finished_at = $4, last_error = $3, lease_owner = NULL, lease_until = NULL
            WHERE id = $1 AND status = 'running' AND lease_owner = $2";
    LIST = "SELECT id, kind, status, attempts, max_attempts, run_at, last_error, created_at, finished_at
            FROM jobs WHERE status = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    PRUNE = "DELETE FROM jobs WHERE status = $1 AND finished_at < $2";
    WAITING = "SELECT COUNT(*) FROM jobs WHERE status IN ('queued', 'running')";
    FAILED = "SELECT COUNT(*) FROM jobs WHERE status = 'failed'";
    DUE = "SELECT COUNT(*) FROM jobs WHERE status IN ('queued', 'running') AND run_at <= $1";
}

/// Work to be done later.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// What to do, such as `mail.send`.
    pub kind: &'static str,
    /// With what.
    pub payload: Value,
    /// A second job with the same key is not enqueued.
    pub dedupe_key: Option<String>,
    /// Not before.
    pub run_at: Timestamp,
    /// Then it counts as failed and waits for an operator.
    pub max_attempts: i32,
}

/// A claimed job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What to do.
    pub kind: String,
    /// With what.
    pub payload: Value,
    /// This attempt's number, from 1.
    pub attempt: i32,
    /// The last attempt's number.
    pub max_attempts: i32,
}

/// A job as operators see it: never what it carries, which may be a mailed code.
#[derive(Debug, Clone, FromRow)]
pub struct Listed {
    /// Its id.
    #[sqlx(try_from = "Uuid")]
    pub id: JobId,
    /// What to do.
    pub kind: String,
    /// `queued`, `running`, `done` or `failed`.
    pub status: String,
    /// Attempts so far.
    pub attempts: i32,
    /// Attempts at most.
    pub max_attempts: i32,
    /// When it is or was due.
    pub run_at: Timestamp,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it was done or failed for good.
    pub finished_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    kind: String,
    payload: Json<Value>,
    attempts: i32,
    max_attempts: i32,
}

/// Enqueues a job; `false` when one with the same dedupe key is known.
pub async fn enqueue(tx: &mut Tx, job: NewJob) -> Result<bool> {
    let run_at = job.run_at;
    let inserted = run!(
        tx,
        execute,
        ENQUEUE,
        job.id.0,
        job.kind,
        Json(&job.payload),
        job.dedupe_key.as_deref(),
        run_at,
        job.max_attempts,
        run_at
    )?;
    Ok(inserted == 1)
}

/// Takes up to `limit` due jobs for `owner` until `lease_until`.
pub async fn claim(tx: &mut Tx, owner: &str, now: Timestamp, lease_until: Timestamp, limit: i64) -> Result<Vec<Job>> {
    let rows: Vec<Row> = run!(tx, rows, CLAIM, owner, lease_until, now, limit)?;
    let job = |row: Row| Job {
        id: JobId(row.id),
        kind: row.kind,
        payload: row.payload.0,
        attempt: row.attempts,
        max_attempts: row.max_attempts,
    };
    Ok(rows.into_iter().map(job).collect())
}

/// Marks a job done and forgets what it carried, which may be a mailed code. `false`: the lease was lost meanwhile.
pub async fn finish(tx: &mut Tx, id: JobId, owner: &str, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, FINISH, id.0, owner, now, Json(Value::Object(Map::new())))? == 1)
}

/// Puts a job back to run at `again`, or marks it failed after its last attempt. `error` is shown to operators: no secrets.
pub async fn retry(tx: &mut Tx, id: JobId, owner: &str, again: Timestamp, error: &str, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, RETRY, id.0, owner, again, error, now)? == 1)
}

/// Marks a job failed, whatever attempts it has left. `error` is shown to operators: no secrets.
pub async fn fail(tx: &mut Tx, id: JobId, owner: &str, error: &str, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, FAIL, id.0, owner, error, now)? == 1)
}

/// Jobs with this status, newest first, those enqueued before `before`.
pub async fn list(tx: &mut Tx, status: &str, before: Option<JobId>, limit: i64) -> Result<Vec<Listed>> {
    Ok(run!(tx, rows, LIST, status, before.map_or(Uuid::max(), |id| id.0), limit)?)
}

/// Deletes jobs done before `done` and jobs that failed before `failed`; returns how many.
pub async fn prune(tx: &mut Tx, done: Timestamp, failed: Timestamp) -> Result<u64> {
    Ok(run!(tx, execute, PRUNE, "done", done)? + run!(tx, execute, PRUNE, "failed", failed)?)
}

/// Counts of waiting (queued or running) and of failed jobs.
pub async fn counts(tx: &mut Tx) -> Result<(i64, i64)> {
    let waiting: Option<i64> = run!(tx, scalar, WAITING)?;
    let failed: Option<i64> = run!(tx, scalar, FAILED)?;
    Ok((waiting.unwrap_or(0), failed.unwrap_or(0)))
}

/// How many jobs could run now.
pub async fn count_due(tx: &mut Tx, now: Timestamp) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, DUE, now)?;
    Ok(count.unwrap_or(0))
}
