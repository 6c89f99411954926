//! What a batch decides between reading its accounts and writing them: movements one after the other, in the order they arrived, as if
//! each had been alone. Pure: no database, no clock.

use std::collections::HashMap;

use hub_store::accounts::Account;
use hub_store::fold::{Change, Numbered};
use hub_store::ledger::{Posting, Transaction};
use hub_types::{Credits, UserId};

/// Why an account does not allow a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::credits) enum Refusal {
    /// There is no such account.
    NoAccount,
    /// It is frozen or closed.
    Frozen,
    /// It cannot pay.
    Insufficient {
        /// What was asked.
        needed: Credits,
        /// What could be spent.
        spendable: Credits,
    },
    /// The key was used with another request.
    KeyReused,
}

/// The accounts of a batch as they change.
pub(super) struct Book {
    accounts: HashMap<UserId, (Account, Option<Change>)>,
    posted: HashMap<UserId, HashMap<String, Transaction>>,
    rows: Vec<Numbered>,
}

impl Book {
    /// Opens the book on locked accounts and on what was posted under the batch's keys before.
    pub(super) fn open(accounts: Vec<Account>, earlier: Vec<(String, Transaction)>) -> Self {
        let accounts = accounts.into_iter().map(|account| (account.user, (account, None))).collect();
        let mut posted: HashMap<UserId, HashMap<String, Transaction>> = HashMap::new();
        for (key, row) in earlier {
            posted.entry(row.user).or_default().insert(key, row);
        }
        Self { accounts, posted, rows: Vec::new() }
    }

    /// Posts, once per key: the same request again gives the first row back and changes nothing.
    pub(super) fn post(&mut self, posting: &Posting) -> Result<Transaction, Refusal> {
        if let Some(earlier) = self.posted.get(&posting.user).and_then(|keys| keys.get(&posting.key)) {
            let same = earlier.request_hash == posting.request_hash;
            return if same { Ok(earlier.clone()) } else { Err(Refusal::KeyReused) };
        }
        let (account, change) = self.accounts.get_mut(&posting.user).ok_or(Refusal::NoAccount)?;
        let debit = !posting.amount.is_positive();
        if account.status == "closed" || (debit && account.status != "active") {
            return Err(Refusal::Frozen);
        }
        if debit && account.spendable() < -posting.amount {
            return Err(Refusal::Insufficient { needed: -posting.amount, spendable: account.spendable() });
        }
        let row = enter(account, change, posting, Credits::ZERO);
        self.rows.push(Numbered { posting: posting.clone(), balance_after: row.balance_after, version: row.version });
        self.posted.entry(posting.user).or_default().insert(posting.key.clone(), row.clone());
        Ok(row)
    }

    /// What has to be written.
    pub(super) fn close(self) -> (Vec<Change>, Vec<Numbered>) {
        (self.accounts.into_values().filter_map(|(_, change)| change).collect(), self.rows)
    }
}

/// Moves the account in memory; the bounds of a balance are the database's to enforce.
fn enter(account: &mut Account, change: &mut Option<Change>, posting: &Posting, released: Credits) -> Transaction {
    let change = change.get_or_insert(Change {
        user: account.user,
        was: account.version,
        movements: 0,
        amount: Credits::ZERO,
        released: Credits::ZERO,
        at: posting.at,
    });
    account.balance = plus(account.balance, posting.amount);
    account.held = plus(account.held, -released);
    account.version += 1;
    change.movements += 1;
    change.amount = plus(change.amount, posting.amount);
    change.released = plus(change.released, released);
    change.at = change.at.max(posting.at);
    posting.posted(account.balance, account.version)
}

/// Amounts and balances are at most 10¹⁵ and a batch has at most 256 of them: this cannot overflow.
const fn plus(one: Credits, other: Credits) -> Credits {
    Credits::from_micro(one.micro().saturating_add(other.micro()))
}
