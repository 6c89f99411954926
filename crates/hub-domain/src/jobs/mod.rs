//! Background work: what each kind of job does. The loop that calls this lives in `hub-worker`.
//!
//! A job may run more than once (its worker may die after the work and before the note), so each handler is idempotent or harmless
//! to repeat.

use std::time::Duration;

use hub_clients::mail::{Mail, MailError};
use hub_store::StoreError;
pub use hub_store::jobs::Listed;
use hub_store::jobs::{self, Job};
use hub_store::{budgets, idempotency, sessions, verifications};
use hub_types::{Caller, Email, JobId, Permission};
use serde::Deserialize;

use crate::credits::low_balance::{self, DeliveryError, LOW_BALANCE, WEBHOOK_SEND};
use crate::identity::asked::{self, MAIL_ASKED};
use crate::rbac::{self, Denied};
use crate::{Hub, audit, payments, usage};

/// Jobs taken at a time. So few that all of them, one after the other and as slow as they may be (a mail: 25 s), end within the lease:
/// otherwise another worker would take them over and do them twice.
const BATCH: i64 = 4;
/// How long a worker may take for a batch before another one takes the jobs over.
const LEASE: Duration = Duration::from_mins(2);
/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_hours(1);

/// How long finished jobs are kept for operators to look at.
const KEEP_DONE: Duration = Duration::from_hours(7 * 24);

/// How long failed jobs are kept; what they carried has run out long before.
const KEEP_FAILED: Duration = Duration::from_hours(30 * 24);

/// How long ended sessions and spent secrets are kept, to tell a late reuse from nonsense.
const KEEP_ENDED: Duration = Duration::from_hours(30 * 24);
/// Budget windows are kept this long after they began; none lasts longer than a month.
const KEEP_WINDOWS: Duration = Duration::from_hours(93 * 24);
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

/// What a `payment.event` job carries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentPayload {
    provider: String,
    event: String,
}

/// Why a job failed, in words for operators; holds no secrets and no mail text.
#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error("no handler for jobs of kind {0}")]
    UnknownKind(String),
    #[error("the payload is not readable")]
    Payload(#[source] serde_json::Error),
    #[error("the mail was not accepted: {0}")]
    Mail(#[from] MailError),
    #[error(transparent)]
    Webhook(#[from] DeliveryError),
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
}

impl JobError {
    /// True when doing the same again cannot help. A kind that is not known here may be known to a newer process.
    const fn is_permanent(&self) -> bool {
        match self {
            Self::UnknownKind(_) | Self::Store(_) => false,
            Self::Payload(_) => true,
            Self::Mail(error) => error.is_permanent(),
            Self::Webhook(error) => error.is_permanent(),
        }
    }

    /// The pause somebody else asked for.
    const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Mail(error) => error.retry_after(),
            Self::UnknownKind(_) | Self::Payload(_) | Self::Webhook(_) | Self::Store(_) => None,
        }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// Waits for its time or its next attempt.
    Queued,
    /// Is being done.
    Running,
    /// Succeeded, at most a week ago.
    Done,
    /// Will not be tried again; at most 30 days ago.
    #[default]
    Failed,
}

impl JobStatus {
    const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// Why jobs are not shown.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// The caller lacks `system:read`.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
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

/// Up to `limit` jobs with this status, newest first, those enqueued before `before`. Needs `system:read`. Never what they carry.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    status: JobStatus,
    before: Option<JobId>,
    limit: i64,
) -> Result<Vec<Listed>, JobsError> {
    rbac::require(caller, Permission::SystemRead)?;
    let mut tx = hub.store.read().await?;
    Ok(jobs::list(&mut tx, status.word(), before, limit).await?)
}

/// Hourly housekeeping: partitions made ahead of time; finished jobs, ended sessions, spent one-time secrets, budget windows of past
/// periods, old audit rows and old calls deleted. A part that fails stops no other; the first failure is the answer.
pub async fn upkeep(hub: &Hub) -> Result<(), StoreError> {
    let now = hub.clock.now();
    first_failure([
        ("partitions", hub.store.maintain(now).await),
        ("jobs", prune(hub, Spent::Jobs).await),
        ("sessions", prune(hub, Spent::Sessions).await),
        ("one-time secrets", prune(hub, Spent::Secrets).await),
        ("idempotency keys", prune(hub, Spent::Keys).await),
        ("budget windows", prune(hub, Spent::Windows).await),
        ("payments", payments::forget_old(hub).await),
        ("audit", audit::delete_old(hub).await),
        ("usage", usage::delete_old(hub).await),
    ])
}

/// Says which parts failed, and gives the first failure.
fn first_failure(parts: impl IntoIterator<Item = (&'static str, Result<(), StoreError>)>) -> Result<(), StoreError> {
    let mut first = Ok(());
    for (part, outcome) in parts {
        if let Err(error) = &outcome {
            tracing::warn!(part, %error, "a part of the upkeep failed");
        }
        first = first.and(outcome);
    }
    first
}

/// What nobody needs any more, by table.
#[derive(Debug, Clone, Copy)]
enum Spent {
    Jobs,
    Sessions,
    Secrets,
    Keys,
    Windows,
}

async fn prune(hub: &Hub, spent: Spent) -> Result<(), StoreError> {
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    match spent {
        Spent::Jobs => drop(jobs::prune(&mut tx, now - KEEP_DONE, now - KEEP_FAILED).await?),
        Spent::Sessions => drop(sessions::prune(&mut tx, now - KEEP_ENDED, PRUNED).await?),
        Spent::Secrets => drop(verifications::prune(&mut tx, now - KEEP_ENDED, PRUNED).await?),
        Spent::Keys => drop(idempotency::prune(&mut tx, now).await?),
        Spent::Windows => drop(budgets::prune(&mut tx, now - KEEP_WINDOWS, PRUNED).await?),
    }
    tx.commit().await
}

async fn run(hub: &Hub, job: &Job) -> Result<(), JobError> {
    match job.kind.as_str() {
        MAIL_SEND => {
            let payload: MailPayload = serde_json::from_value(job.payload.clone()).map_err(JobError::Payload)?;
            let mail = Mail { to: payload.to, subject: payload.subject, text: payload.text, html: payload.html };
            Ok(hub.mailer.send(mail).await?)
        }
        MAIL_ASKED => {
            let asked = serde_json::from_value(job.payload.clone()).map_err(JobError::Payload)?;
            Ok(asked::run(hub, asked).await?)
        }
        payments::EVENT => {
            let payload: PaymentPayload = serde_json::from_value(job.payload.clone()).map_err(JobError::Payload)?;
            Ok(payments::apply(hub, &payload.provider, &payload.event).await?)
        }
        payments::HEAL => Ok(payments::heal(hub).await?),
        LOW_BALANCE => Ok(low_balance::tell(hub, job).await?),
        WEBHOOK_SEND => Ok(low_balance::deliver(hub, job).await?),
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
        Err(error) if error.is_permanent() => {
            tracing::warn!(job = %job.id, kind = job.kind, attempt = job.attempt, %error, "a job failed for good");
            jobs::fail(&mut tx, job.id, &hub.instance, &error.to_string(), now).await?;
        }
        Err(error) => {
            tracing::warn!(job = %job.id, kind = job.kind, attempt = job.attempt, %error, "a job failed");
            let pause = pause(job.attempt, error.retry_after());
            jobs::retry(&mut tx, job.id, &hub.instance, now + pause, &error.to_string(), now).await?;
        }
    }
    tx.commit().await
}

/// 10 s, 20 s, 40 s, … up to an hour, or longer where that was asked for, but never above the hour.
fn pause(attempt: i32, asked: Option<Duration>) -> Duration {
    let doublings = u32::try_from(attempt.clamp(1, 16)).unwrap_or(1) - 1;
    Duration::from_secs(10 * 2_u64.pow(doublings)).max(asked.unwrap_or_default()).min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_of_the_upkeep_is_its_answer() {
        let part =
            |name, fault: Option<&'static str>| (name, fault.map_or(Ok(()), |fault| Err(StoreError::Corrupt(fault))));
        assert!(first_failure([part("one", None), part("two", None)]).is_ok());
        let failed =
            first_failure([part("one", None), part("two", Some("b")), part("three", None), part("four", Some("d"))]);
        assert!(matches!(failed, Err(StoreError::Corrupt("b"))), "{failed:?}");
    }

    #[test]
    fn pauses_grow_obey_and_stay_bounded() {
        assert_eq!(pause(1, None).as_secs(), 10);
        assert_eq!(pause(3, None).as_secs(), 40);
        assert_eq!(pause(1000, None).as_secs(), 3600);
        assert_eq!(pause(3, Some(Duration::from_secs(90))).as_secs(), 90);
        assert_eq!(pause(3, Some(Duration::from_secs(9))).as_secs(), 40);
        assert_eq!(pause(3, Some(Duration::MAX)).as_secs(), 3600);
    }
}
