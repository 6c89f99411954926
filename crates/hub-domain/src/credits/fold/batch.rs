//! One batch: lock the accounts, decide, write, commit, answer. When the batch fails as a whole, its movements are tried one by one, so
//! that a bad one fails alone. When nobody knows whether the commit happened, the batch runs again: the second run takes the locks
//! the first one held until its end, finds by the keys what was written, and so tells the truth without doing anything twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use hub_store::ledger::{Posting, Transaction};
use hub_store::{Store, StoreError, Tx, fold};
use hub_types::UserId;

use super::book::Book;
use super::{Refusal, Waiting};

type Verdicts = Vec<Result<Transaction, Refusal>>;

/// Why a batch failed.
enum Failure {
    /// Before its commit was asked for: nothing happened.
    Nothing(StoreError),
    /// While committing: it may have happened.
    Unknown(StoreError),
}

/// Runs a batch and answers everybody in it. Whoever no longer listens is passed over.
pub(super) async fn run(store: &Store, batch: Vec<Waiting>) {
    let (postings, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|one| (one.posting, one.answer)).unzip();
    match certain(store, &postings).await {
        Ok(verdicts) => {
            for (answer, verdict) in answers.into_iter().zip(verdicts) {
                drop(answer.send(Ok(verdict)));
            }
        }
        // Without a database each alone would fail as well, one timeout after the other.
        Err(error) if error.is_unavailable() || postings.len() == 1 => {
            let shared = Arc::new(error);
            for answer in answers {
                drop(answer.send(Err(StoreError::Shared(Arc::clone(&shared)))));
            }
        }
        Err(error) => {
            tracing::warn!(movements = postings.len(), %error, "a batch failed; its movements are tried one by one");
            for (answer, posting) in answers.into_iter().zip(postings) {
                let alone = certain(store, std::slice::from_ref(&posting)).await;
                let verdict = alone.and_then(|mut all| all.pop().ok_or(StoreError::Writer("lost an answer")));
                drop(answer.send(verdict));
            }
        }
    }
}

/// Runs the movements until it is known whether they happened; at most twice.
async fn certain(store: &Store, postings: &[Posting]) -> Result<Verdicts, StoreError> {
    match attempt(store, postings).await {
        Ok(verdicts) => Ok(verdicts),
        Err(Failure::Nothing(error)) => Err(error),
        Err(Failure::Unknown(error)) => {
            tracing::warn!(movements = postings.len(), %error, "a commit was not answered; its movements are read again");
            let again = attempt(store, postings).await;
            again.map_err(|(Failure::Nothing(error) | Failure::Unknown(error))| error)
        }
    }
}

async fn attempt(store: &Store, postings: &[Posting]) -> Result<Verdicts, Failure> {
    let mut tx = store.write().await.map_err(Failure::Nothing)?;
    let verdicts = decide(&mut tx, postings).await.map_err(Failure::Nothing)?;
    tx.commit().await.map_err(Failure::Unknown)?;
    Ok(verdicts)
}

async fn decide(tx: &mut Tx, postings: &[Posting]) -> Result<Verdicts, StoreError> {
    let users: BTreeSet<UserId> = postings.iter().map(|posting| posting.user).collect();
    let users: Vec<UserId> = users.into_iter().collect();
    let keys: Vec<(UserId, &str)> = postings.iter().map(|posting| (posting.user, posting.key.as_str())).collect();
    let accounts = fold::lock(tx, &users).await?;
    let mut book = Book::open(accounts, fold::earlier(tx, &keys).await?);
    let verdicts = postings.iter().map(|posting| book.post(posting)).collect();
    let (changes, rows) = book.close();
    fold::write(tx, &changes, &rows).await?;
    Ok(verdicts)
}
