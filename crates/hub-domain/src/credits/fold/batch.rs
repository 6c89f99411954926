//! One batch: lock the accounts, decide, write, commit, answer. When the batch fails as a whole, its movements are tried one by one, so
//! that a bad one fails alone. When nobody knows whether the commit happened, the batch runs again: the second run takes the locks
//! the first one held until its end, finds by the keys what was written, and so tells the truth without doing anything twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use hub_store::{Store, StoreError, Tx, fold, fold_holds, receipts, usage};
use hub_types::{Clock, HoldId, UserId};

use super::book::Book;
use super::{Done, Movement, Waiting};

/// Why a batch failed.
enum Failure {
    /// Before its commit was asked for: nothing happened.
    Nothing(StoreError),
    /// While committing: it may have happened.
    Unknown(StoreError),
}

/// Runs a batch and answers everybody in it. Whoever no longer listens is passed over.
pub(super) async fn run(store: &Store, clock: &Clock, batch: Vec<Waiting>) {
    let (movements, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|one| (one.movement, one.answer)).unzip();
    match certain(store, clock, &movements).await {
        Ok(verdicts) => {
            for (answer, verdict) in answers.into_iter().zip(verdicts) {
                drop(answer.send(Ok(verdict)));
            }
        }
        // Without a database each alone would fail as well, one timeout after the other.
        Err(error) if error.is_unavailable() || movements.len() == 1 => {
            let shared = Arc::new(error);
            for answer in answers {
                drop(answer.send(Err(StoreError::Shared(Arc::clone(&shared)))));
            }
        }
        Err(error) => {
            tracing::warn!(movements = movements.len(), %error, "a batch failed; its movements are tried one by one");
            for (answer, movement) in answers.into_iter().zip(movements) {
                let alone = certain(store, clock, std::slice::from_ref(&movement)).await;
                let verdict = alone.and_then(|mut all| all.pop().ok_or(StoreError::Writer("lost an answer")));
                drop(answer.send(verdict));
            }
        }
    }
}

/// What a run knows about the keys of its movements before it decides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Nothing: they are new, as nearly all are, and the unique index says when one is not.
    Trusted,
    /// What was posted under them.
    LookedUp,
}

/// Runs the movements until it is known whether they happened; at most twice.
pub(super) async fn certain(store: &Store, clock: &Clock, movements: &[Movement]) -> Result<Vec<Done>, StoreError> {
    let again = match attempt(store, clock, movements, Keys::Trusted).await {
        Ok(verdicts) => return Ok(verdicts),
        Err(Failure::Nothing(error @ StoreError::Duplicate(_))) => error,
        Err(Failure::Nothing(error)) => return Err(error),
        Err(Failure::Unknown(error)) => {
            tracing::warn!(movements = movements.len(), %error, "a commit was not answered; its movements are read again");
            error
        }
    };
    tracing::debug!(movements = movements.len(), error = %again, "a batch runs again with its keys looked up");
    let again = attempt(store, clock, movements, Keys::LookedUp).await;
    again.map_err(|(Failure::Nothing(error) | Failure::Unknown(error))| error)
}

async fn attempt(store: &Store, clock: &Clock, movements: &[Movement], keys: Keys) -> Result<Vec<Done>, Failure> {
    let mut tx = store.write().await.map_err(Failure::Nothing)?;
    let verdicts = decide(&mut tx, clock, movements, keys).await.map_err(Failure::Nothing)?;
    tx.commit().await.map_err(Failure::Unknown)?;
    Ok(verdicts)
}

async fn decide(tx: &mut Tx, clock: &Clock, movements: &[Movement], trust: Keys) -> Result<Vec<Done>, StoreError> {
    let (mut users, mut keys, mut ends) = (BTreeSet::new(), Vec::new(), Vec::new());
    for movement in movements {
        match movement {
            Movement::Post(posting) => {
                users.insert(posting.user);
                keys.push((posting.user, posting.key.as_str()));
            }
            Movement::End(charge, _) => ends.push(charge.hold),
        }
    }
    // Nothing is asked about kinds of movements that this batch has none of.
    let holds = if ends.is_empty() { Vec::new() } else { fold_holds::lock(tx, &sorted(ends)).await? };
    users.extend(holds.iter().map(|hold| hold.user));
    let users: Vec<UserId> = users.into_iter().collect();
    let accounts = fold::lock(tx, &users).await?;
    let mut earlier = Vec::new();
    if trust == Keys::LookedUp && !keys.is_empty() {
        earlier = fold::earlier(tx, &keys).await?;
    }
    let mut book = Book::open(clock, holds.clone(), accounts.clone(), earlier);
    let mut verdicts = book.all(movements)?;
    // Who is refused may have posted before, and gets that row: a refusal leaves nothing behind that the index could object to.
    if trust == Keys::Trusted && verdicts.iter().any(|done| matches!(done, Done::Refused(_))) {
        let earlier = fold::earlier(tx, &keys).await?;
        if !earlier.is_empty() {
            book = Book::open(clock, holds, accounts, earlier);
            verdicts = book.all(movements)?;
        }
    }
    let written = book.close();
    fold_holds::resolve(tx, &written.resolved).await?;
    fold::write(tx, &written.changes, &written.rows).await?;
    if !written.receipts.is_empty() {
        receipts::put_all(tx, &written.receipts).await?;
        usage::put_all(tx, &written.usage).await?;
    }
    Ok(verdicts)
}

fn sorted(mut ids: Vec<HoldId>) -> Vec<HoldId> {
    ids.sort_unstable();
    ids.dedup();
    ids
}
