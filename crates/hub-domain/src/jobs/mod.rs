//! Background work: what each kind of job does. The loop that calls this lives in `hub-worker`.
//!
//! A job may run more than once (its worker may die after the work and before the note), so each handler is idempotent or harmless
//! to repeat.

use std::time::Duration;

use hub_clients::mail::Mail;
use hub_store::StoreError;
use hub_store::jobs::{self, Job};
use hub_store::{sessions, verifications};
use hub_types::Email;
use serde::Deserialize;

use crate::Hub;

/// Jobs taken at a time.
const BATCH: i64 = 10;
/// How long a worker may take for a batch before another one takes the jobs over.
const LEASE: Duration = Duration::from_mins(2);
/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_hours(1);

/// How long finished jobs are kept for operators to look at.
const KEEP_DONE: Duration = Duration::from_hours(7 * 24);

/// How long ended sessions and spent secrets are kept, to tell a late reuse from nonsense.
const KEEP_ENDED: Duration = Duration::from_hours(30 * 24);
/// Rows deleted at a time, so that the deletion never holds others up.
const PRUNED: i64 = 1000;

/// Sends one mail. Payload: [`MailPayload`].
pub const MAIL_SEND: &str = "mail.send";

/// What a `mail.send` job carries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MailPayload {
    to: Email,
    subject: String,
    text: String,
    html: Option<String>,
}

/// Why a job failed, in words for operators; holds no secrets and no mail text.
#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error("no handler for jobs of kind {0}")]
    UnknownKind(String),
    #[error("the payload is not readable")]
    Payload(#[source] serde_json::Error),
    #[error("the mail was not accepted: {0}")]
    Mail(#[from] hub_clients::mail::MailError),
}

/// Claims and runs the jobs that are due; returns how many ran.
pub async fn run_due(hub: &Hub) -> Result<usize, StoreError> {
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    let claimed = jobs::claim(&mut tx, &hub.instance, now, now + LEASE, BATCH).await?;
    tx.commit().await?;
    let count = claimed.len();
    for job in claimed {
        let outcome = run(hub, &job).await;
        note(hub, &job, outcome).await?;
    }
    Ok(count)
}

/// Runs jobs until none is due.
pub async fn run_all_due(hub: &Hub) -> Result<(), StoreError> {
    while run_due(hub).await? > 0 {}
    Ok(())
}

/// Hourly housekeeping: partitions made ahead of time; finished jobs, ended sessions and spent one-time secrets deleted.
pub async fn upkeep(hub: &Hub) -> Result<(), StoreError> {
    let now = hub.clock.now();
    hub.store.maintain(now).await?;
    let mut tx = hub.store.write().await?;
    jobs::prune(&mut tx, now - KEEP_DONE).await?;
    sessions::prune(&mut tx, now - KEEP_ENDED, PRUNED).await?;
    verifications::prune(&mut tx, now - KEEP_ENDED, PRUNED).await?;
    tx.commit().await
}

async fn run(hub: &Hub, job: &Job) -> Result<(), JobError> {
    match job.kind.as_str() {
        MAIL_SEND => {
            let payload: MailPayload = serde_json::from_value(job.payload.clone()).map_err(JobError::Payload)?;
            let mail = Mail { to: payload.to, subject: payload.subject, text: payload.text, html: payload.html };
            Ok(hub.mailer.send(mail).await?)
        }
        other => Err(JobError::UnknownKind(other.to_owned())),
    }
}

async fn note(hub: &Hub, job: &Job, outcome: Result<(), JobError>) -> Result<(), StoreError> {
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    match outcome {
        Ok(()) => {
            jobs::finish(&mut tx, job.id, &hub.instance, now).await?;
        }
        Err(error) => {
            tracing::warn!(job = %job.id, kind = job.kind, attempt = job.attempt, %error, "a job failed");
            jobs::retry(&mut tx, job.id, &hub.instance, now + pause(job.attempt), &error.to_string(), now).await?;
        }
    }
    tx.commit().await
}

/// 10 s, 20 s, 40 s, … up to an hour.
fn pause(attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt.clamp(1, 16)).unwrap_or(1) - 1;
    Duration::from_secs(10 * 2_u64.pow(doublings)).min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::pause;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert_eq!(pause(1).as_secs(), 10);
        assert_eq!(pause(3).as_secs(), 40);
        assert_eq!(pause(1000).as_secs(), 3600);
    }
}
