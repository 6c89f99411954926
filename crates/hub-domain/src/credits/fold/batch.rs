//! One batch. First everything that can be hoped for is written at once (`hope`). What is left takes the sure way: lock the accounts,
//! decide one after the other, write, commit, answer. When that fails as a whole, its movements are tried one by one, so that a bad one fails
//! alone. When nobody knows whether a commit happened, the movements run again: the second run takes the locks the first one held
//! until its end, finds by the keys what was written, and so tells the truth without doing anything twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use hub_store::fold_once::{Direct, Wrote};
use hub_store::ledger::Transaction;
use hub_store::{Store, StoreError, Tx, fold, fold_holds, receipts, usage};
use hub_types::{Clock, HoldId, UserId};
use tokio::sync::oneshot;

use super::book::Book;
use super::hope::Plan;
use super::open::OpenHolds;
use super::{Answer, Done, Movement, Waiting};
use crate::credits::lane::fail;

/// Why a batch failed.
enum Failure {
    /// Before its commit was asked for: nothing happened.
    Nothing(StoreError),
    /// While committing: it may have happened.
    Unknown(StoreError),
}

/// What a run knows about the keys of its movements before it decides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Nothing: they are new, as nearly all are, and the unique index says when one is not.
    Trusted,
    /// What was posted and opened under them.
    LookedUp,
}

/// What a batch works on.
pub(super) struct Work {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) direct: Direct,
    pub(super) open: Arc<OpenHolds>,
}

impl Work {
    /// Runs a batch and answers everybody in it. Whoever no longer listens is passed over.
    pub(super) async fn run(self: Arc<Self>, batch: Vec<Waiting>) {
        let (movements, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|one| (one.what, one.answer)).unzip();
        let (told, keys) = match self.hope(&movements).await {
            Ok(hoped) => hoped,
            Err(error) => return fail(answers, error),
        };
        let (mut left, mut unanswered) = (Vec::new(), Vec::new());
        for ((movement, answer), told) in movements.into_iter().zip(answers).zip(told) {
            if let Some(done) = told {
                drop(answer.send(Ok(done)));
            } else {
                left.push(movement);
                unanswered.push(answer);
            }
        }
        if !left.is_empty() {
            self.run_locked(left, unanswered, keys).await;
        }
    }

    async fn run_locked(&self, movements: Vec<Movement>, answers: Vec<oneshot::Sender<Answer>>, keys: Keys) {
        match self.certain(&movements, keys).await {
            Ok(verdicts) => {
                for (answer, verdict) in answers.into_iter().zip(verdicts) {
                    drop(answer.send(Ok(verdict)));
                }
            }
            // Without a database each alone would fail as well, one timeout after the other.
            Err(error) if error.is_unavailable() || movements.len() == 1 => fail(answers, error),
            Err(error) => {
                tell_of_deadlock(&error, movements.len());
                tracing::warn!(movements = movements.len(), %error, "a batch failed; its movements are tried one by one");
                for (answer, movement) in answers.into_iter().zip(movements) {
                    let alone = self.certain(std::slice::from_ref(&movement), keys).await;
                    let verdict = alone.and_then(|mut all| all.pop().ok_or(StoreError::Writer("lost an answer")));
                    drop(answer.send(verdict));
                }
            }
        }
    }

    /// Writes at once what can be hoped for. Whoever is told nothing has to be decided under locks, knowing that much of the keys.
    ///
    /// # Errors
    /// The database is away. Nothing happened, or nobody can tell now.
    async fn hope(&self, movements: &[Movement]) -> Result<(Vec<Option<Done>>, Keys), StoreError> {
        let nobody = || movements.iter().map(|_| None).collect();
        let plan = match Plan::of(&self.clock, &self.open, movements) {
            Ok(plan) if !plan.once.parts.is_empty() => plan,
            // Whose movement cannot be planned will be told so alone.
            _ => return Ok((nobody(), Keys::Trusted)),
        };
        match self.direct.write(&self.store, &plan.once).await {
            Ok(Wrote::Moved(moved)) => {
                let told = plan.told(&moved);
                self.note(movements.iter().zip(&told).filter_map(|(movement, told)| Some((movement, told.as_ref()?))));
                Ok((told, Keys::Trusted))
            }
            Ok(Wrote::Nothing) => Ok((nobody(), Keys::Trusted)),
            // Nobody could look it up now. Whoever asks again, by the same key or hold, finds out.
            Ok(Wrote::Unknown(error)) if self.store.is_away() => Err(error),
            Ok(Wrote::Unknown(error)) => {
                tracing::warn!(movements = movements.len(), %error, "a commit was not answered; its movements are read again");
                Ok((nobody(), Keys::LookedUp))
            }
            Err(StoreError::Duplicate(_)) => Ok((nobody(), Keys::LookedUp)),
            Err(error) if error.is_unavailable() => Err(error),
            Err(error) => {
                tell_of_deadlock(&error, movements.len());
                tracing::debug!(movements = movements.len(), %error, "a batch cannot be written at once");
                Ok((nobody(), Keys::Trusted))
            }
        }
    }

    /// Runs the movements under locks until it is known whether they happened; at most twice.
    async fn certain(&self, movements: &[Movement], keys: Keys) -> Result<Vec<Done>, StoreError> {
        let verdicts = match self.attempt(movements, keys).await {
            Ok(verdicts) => verdicts,
            Err(Failure::Nothing(error)) if keys == Keys::LookedUp || !matches!(error, StoreError::Duplicate(_)) => {
                return Err(error);
            }
            Err(Failure::Nothing(error) | Failure::Unknown(error)) => {
                tracing::debug!(movements = movements.len(), %error, "a batch runs again with its keys looked up");
                let again = self.attempt(movements, Keys::LookedUp).await;
                again.map_err(|(Failure::Nothing(error) | Failure::Unknown(error))| error)?
            }
        };
        self.note(movements.iter().zip(&verdicts));
        Ok(verdicts)
    }

    async fn attempt(&self, movements: &[Movement], keys: Keys) -> Result<Vec<Done>, Failure> {
        let mut tx = self.store.write().await.map_err(Failure::Nothing)?;
        let verdicts = decide(&mut tx, &self.clock, movements, keys).await.map_err(Failure::Nothing)?;
        tx.commit().await.map_err(Failure::Unknown)?;
        Ok(verdicts)
    }

    /// Keeps in mind which holds are open.
    fn note<'m>(&self, done: impl Iterator<Item = (&'m Movement, &'m Done)>) {
        for (movement, done) in done {
            match (movement, done) {
                (Movement::Begin(hold), Done::Begun) if hold.budgets.is_empty() => self.open.remember(hold.opened()),
                (Movement::End(charge, _), Done::Ended(_) | Done::NotOpen) => self.open.forget(charge.hold),
                _ => {}
            }
        }
    }

    /// All of it, for tests: what is hoped for, then the rest under locks.
    #[cfg(test)]
    pub(super) async fn all(self: &Arc<Self>, movements: Vec<Movement>) -> Vec<Done> {
        let mut receivers = Vec::new();
        let waiting = |movement| {
            let (answer, answered) = oneshot::channel();
            receivers.push(answered);
            Waiting { what: movement, answer }
        };
        let batch = movements.into_iter().map(waiting).collect();
        Arc::clone(self).run(batch).await;
        let mut done = Vec::new();
        for answered in receivers {
            done.push(answered.await.unwrap().unwrap());
        }
        done
    }
}

/// Lock orders are meant to make this impossible: it is a fault of ours.
fn tell_of_deadlock(error: &StoreError, movements: usize) {
    if error.is_deadlock() {
        tracing::error!(movements, "a batch and another transaction waited for each other");
    }
}

async fn decide(tx: &mut Tx, clock: &Clock, movements: &[Movement], trust: Keys) -> Result<Vec<Done>, StoreError> {
    let (mut users, mut keys, mut charges) = (BTreeSet::new(), Vec::new(), Vec::new());
    let (mut ids, mut new) = (Vec::new(), Vec::new());
    for movement in movements {
        match movement {
            Movement::Post(posting) => {
                users.insert(posting.user);
                keys.push((posting.user, posting.key.as_str()));
            }
            Movement::Begin(hold) => {
                users.insert(hold.user);
                charges.extend(hold.budgets.iter().map(|charge| (hold.user, charge)));
                new.push(hold.id);
            }
            Movement::End(charge, _) => ids.push(charge.hold),
        }
    }
    // A new hold is not there, unless an earlier run opened it.
    if trust == Keys::LookedUp {
        ids.extend(&new);
    }
    // Nothing is asked about kinds of movements that this batch has none of.
    let held = if ids.is_empty() && charges.is_empty() {
        (Vec::new(), Vec::new())
    } else {
        fold_holds::lock(tx, &sorted(ids), &charges, clock.now()).await?
    };
    users.extend(held.0.iter().map(|hold| hold.user));
    let users: Vec<UserId> = users.into_iter().collect();
    let accounts = fold::lock(tx, &users).await?;
    let earlier = if trust == Keys::LookedUp { posted(tx, &keys).await? } else { Vec::new() };
    let mut book = Book::open(clock, held.clone(), accounts.clone(), earlier);
    let mut verdicts = book.all(movements)?;
    // Who is refused may have been admitted before, and is told so: a refusal leaves nothing behind that an index could object to.
    let refused = |done: &Done| matches!(done, Done::Refused(_) | Done::NotBegun(_));
    if trust == Keys::Trusted && verdicts.iter().any(refused) {
        let earlier = posted(tx, &keys).await?;
        let begun = if new.is_empty() { Vec::new() } else { fold_holds::find(tx, &new).await? };
        if !earlier.is_empty() || !begun.is_empty() {
            let held = (held.0.into_iter().chain(begun).collect(), held.1);
            book = Book::open(clock, held, accounts, earlier);
            verdicts = book.all(movements)?;
        }
    }
    let written = book.close();
    fold_holds::take(tx, &written.windows).await?;
    fold_holds::open(tx, &written.opened).await?;
    fold_holds::resolve(tx, &written.resolved).await?;
    fold::write(tx, &written.changes, &written.rows).await?;
    if !written.receipts.is_empty() {
        receipts::put_all(tx, &written.receipts).await?;
        usage::put_all(tx, &written.usage).await?;
    }
    Ok(verdicts)
}

async fn posted(tx: &mut Tx, keys: &[(UserId, &str)]) -> Result<Vec<(String, Transaction)>, StoreError> {
    if keys.is_empty() { Ok(Vec::new()) } else { fold::earlier(tx, keys).await }
}

fn sorted(mut ids: Vec<HoldId>) -> Vec<HoldId> {
    ids.sort_unstable();
    ids.dedup();
    ids
}
