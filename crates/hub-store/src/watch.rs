//! How long the database may take, and what is remembered of one that does not answer.
//!
//! A network that swallows packets ends no connection: without a limit of ours whoever waits for an answer waits for ever. So every wait for
//! the database ends here. Once it is known to be away nobody waits for it as long as the limits allow, only for a moment: that moment is
//! also how it is found out that it is back, by whoever asks first.
//!
//! Must never judge a database that is only slow: it counts as away only while nothing at all comes back from it.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::error::is_away;

/// How long anybody waits for a database that is known to be away.
pub(crate) const MOMENT: Duration = Duration::from_secs(1);

/// The limits of one database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For a free connection, and for its first answer.
    pub(crate) acquire: Duration,
    /// For each statement of a transaction.
    pub(crate) statement: Duration,
    /// For each statement of one that reads a picture of the whole database.
    pub(crate) report: Duration,
    /// For anything while the database is known to be away.
    pub(crate) moment: Duration,
}

/// What several connections know about the server behind them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Arc<State>);

#[derive(Debug)]
struct State {
    limits: Limits,
    start: Instant,
    /// When something was last answered, in milliseconds from `start`.
    answered: AtomicU64,
    /// Since when nothing is; 0 while it answers.
    away: AtomicU64,
}

/// When somebody came with something that takes several waits: while the database is away, all of them together take a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun(u64);

/// How patient a wait is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Somebody waits for an answer: less of it while the database is away.
    Short(Duration),
    /// The work itself takes long.
    Long(Duration),
}

impl Watch {
    pub(crate) fn new(limits: Limits) -> Self {
        let (answered, away) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(State { limits, start: Instant::now(), answered, away }))
    }

    pub(crate) fn limits(&self) -> Limits {
        self.0.limits
    }

    /// True while nothing is answered.
    pub(crate) fn is_away(&self) -> bool {
        self.0.away.load(Ordering::Relaxed) != 0
    }

    /// Now, for a [`Watch::wait`] that may follow.
    pub(crate) fn begin(&self) -> Begun {
        Begun(self.now())
    }

    /// Waits for an answer of the database, within something that has begun before. The error of a wait that was too long is one of I/O, of kind
    /// `TimedOut`: whatever was asked for may have happened, or may still.
    pub(crate) async fn wait<T>(
        &self,
        begun: Begun,
        patience: Patience,
        work: impl Future<Output = sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        let asked = self.now();
        let done = self.bounded(begun, patience, work).await;
        match &done {
            Err(error) if is_away(error) => self.not_answered(asked, error),
            _ => self.answered(),
        }
        done
    }

    /// Waits for a connection. That one was free says nothing about who is at its other end.
    pub(crate) async fn wait_for_room<T>(
        &self,
        begun: Begun,
        work: impl Future<Output = sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        let asked = self.now();
        let done = self.bounded(begun, Patience::Short(self.0.limits.acquire), work).await;
        if let Err(error) = &done {
            self.not_answered(asked, error);
        }
        done
    }

    async fn bounded<T>(
        &self,
        begun: Begun,
        patience: Patience,
        work: impl Future<Output = sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        let (Patience::Short(limit) | Patience::Long(limit)) = patience;
        let end = Instant::now() + limit;
        let mut work = pin!(work);
        loop {
            let look = self.next_look().min(end);
            match timeout_at(look, work.as_mut()).await {
                Ok(done) => return done,
                Err(_) if look == end || self.is_vain(patience, begun) => return Err(silence()),
                Err(_) => {}
            }
        }
    }

    /// When who waits looks up next: all at the same times, because a timer that is due before all others wakes a thread to tell it so, and
    /// nearly every wait is over by then.
    fn next_look(&self) -> Instant {
        let State { limits, start, .. } = &*self.0;
        let look = limits.moment / 4;
        let looks = start.elapsed().as_nanos() / look.as_nanos().max(1) + 2;
        *start + look.saturating_mul(u32::try_from(looks).unwrap_or(u32::MAX))
    }

    fn answered(&self) {
        let State { answered, away, .. } = &*self.0;
        answered.store(self.now(), Ordering::Relaxed);
        if away.load(Ordering::Relaxed) != 0 && away.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("the database answers again");
        }
    }

    /// Something that was asked at this time came to nothing.
    fn not_answered(&self, asked: u64, error: &sqlx::Error) {
        let State { answered, away, .. } = &*self.0;
        // Somebody else may have been answered meanwhile: then it is not the database that is away. A closed pool is our own doing.
        let alone = answered.load(Ordering::Relaxed) <= asked && !matches!(error, sqlx::Error::PoolClosed);
        if alone && away.compare_exchange(0, self.now(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(%error, "the database does not answer");
        }
    }

    /// True when the database has been away for long enough that somebody who began then should wait no longer.
    fn is_vain(&self, patience: Patience, Begun(begun): Begun) -> bool {
        let away = self.0.away.load(Ordering::Relaxed);
        let since = Duration::from_millis(self.now().saturating_sub(away.max(begun)));
        matches!(patience, Patience::Short(_)) && away != 0 && since >= self.0.limits.moment
    }

    /// Milliseconds from the start, never 0.
    fn now(&self) -> u64 {
        u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// The error of a wait that was too long.
fn silence() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))
}

/// True for the error of a wait that was too long.
pub(crate) fn is_silence(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);
    const SHORT: Patience = Patience::Short(LIMIT);

    fn watch() -> Watch {
        let moment = Duration::from_millis(20);
        Watch::new(Limits { acquire: LIMIT, statement: LIMIT, report: LIMIT, moment })
    }

    /// Whether a silence took as long as it may.
    async fn waited_to_the_limit(watch: &Watch, patience: Patience) -> bool {
        let begun = Instant::now();
        let error = watch.wait(watch.begin(), patience, pending::<sqlx::Result<()>>()).await.unwrap_err();
        assert!(is_silence(&error) && is_away(&error), "{error}");
        begun.elapsed() >= LIMIT
    }

    #[tokio::test]
    async fn the_first_silence_takes_as_long_as_allowed_the_next_ones_a_moment_until_something_is_answered() {
        let watch = watch();
        assert!(waited_to_the_limit(&watch, SHORT).await);
        assert!(!waited_to_the_limit(&watch, SHORT).await);
        assert!(waited_to_the_limit(&watch, Patience::Long(LIMIT)).await);
        // That a statement is refused is an answer, too.
        watch.wait(watch.begin(), SHORT, ready(Err::<(), _>(sqlx::Error::RowNotFound))).await.unwrap_err();
        assert!(waited_to_the_limit(&watch, SHORT).await);
    }

    #[tokio::test]
    async fn who_waits_already_when_it_is_found_out_waits_a_moment_longer() {
        let watch = watch();
        let refused = async {
            sleep(Duration::from_millis(5)).await;
            watch.wait(watch.begin(), SHORT, ready(Err::<(), _>(sqlx::Error::PoolTimedOut))).await.unwrap_err();
        };
        let (waited, ()) = tokio::join!(waited_to_the_limit(&watch, SHORT), refused);
        assert!(!waited);
    }

    #[tokio::test]
    async fn one_slow_statement_says_nothing_while_others_are_answered() {
        let watch = watch();
        let others = async {
            sleep(LIMIT / 2).await;
            watch.wait(watch.begin(), SHORT, ready(Ok(()))).await.unwrap();
        };
        let (waited, ()) = tokio::join!(waited_to_the_limit(&watch, SHORT), others);
        assert!(waited && waited_to_the_limit(&watch, SHORT).await);
    }
}
