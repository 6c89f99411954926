//! What a batch decides between reading its accounts and writing them: movements one after the other, in the order they arrived, as if
//! each had been alone. No database here.

use std::collections::{BTreeMap, HashMap};

use hub_store::StoreError;
use hub_store::accounts::Account;
use hub_store::budgets::{Charge as BudgetCharge, Standing};
use hub_store::fold::{Change, Numbered};
use hub_store::fold_holds::{Resolved, WindowChange};
use hub_store::holds::{End, Hold, NewHold};
use hub_store::ledger::{Posting, Transaction};
use hub_store::receipts::Receipt;
use hub_store::usage::UsageRow;
use hub_types::{Clock, Credits, HoldId, Timestamp, UserId};

use super::{Done, Movement};
use crate::credits::budget::BudgetShort;
use crate::credits::hold::{self, HoldError};
use crate::credits::settle::{self, Charge, Owed, Settled};

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
    /// There may be no larger balance than it would have.
    Full,
    /// The key was used with another request.
    KeyReused,
}

/// The accounts of a batch as they change.
pub(super) struct Book<'a> {
    clock: &'a Clock,
    holds: HashMap<HoldId, Hold>,
    windows: HashMap<String, Standing>,
    accounts: HashMap<UserId, (Account, Option<Change>)>,
    posted: HashMap<UserId, HashMap<String, Transaction>>,
    written: Written,
}

/// What a batch has to write.
#[derive(Default)]
pub(super) struct Written {
    pub(super) windows: BTreeMap<String, WindowChange>,
    pub(super) opened: Vec<NewHold>,
    pub(super) resolved: Vec<Resolved>,
    pub(super) changes: Vec<Change>,
    pub(super) rows: Vec<Numbered>,
    pub(super) receipts: Vec<Receipt>,
    pub(super) usage: Vec<UsageRow>,
}

impl<'a> Book<'a> {
    /// Opens the book on locked holds, budget windows and accounts, and on what was posted under the batch's keys before.
    pub(super) fn open(
        clock: &'a Clock,
        (holds, windows): (Vec<Hold>, Vec<(String, Standing)>),
        accounts: Vec<Account>,
        earlier: Vec<(String, Transaction)>,
    ) -> Self {
        let mut posted: HashMap<UserId, HashMap<String, Transaction>> = HashMap::new();
        for (key, row) in earlier {
            posted.entry(row.user).or_default().insert(key, row);
        }
        Self {
            clock,
            holds: holds.into_iter().map(|hold| (hold.id, hold)).collect(),
            windows: windows.into_iter().collect(),
            accounts: accounts.into_iter().map(|account| (account.user, (account, None))).collect(),
            posted,
            written: Written::default(),
        }
    }

    /// All of them, in this order.
    pub(super) fn all(&mut self, movements: &[Movement]) -> Result<Vec<Done>, StoreError> {
        let one = |movement: &Movement| match movement {
            Movement::Post(posting) => Ok(self.post(posting)),
            Movement::Begin(hold) => Ok(self.begin(hold)),
            Movement::End(charge, end) => self.end(charge, *end),
        };
        movements.iter().map(one).collect()
    }

    /// Posts, once per key: the same request again gives the first row back and changes nothing.
    fn post(&mut self, posting: &Posting) -> Done {
        if let Some(earlier) = self.posted.get(&posting.user).and_then(|keys| keys.get(&posting.key)) {
            let same = earlier.request_hash == posting.request_hash;
            return if same { Done::Posted(earlier.clone()) } else { Done::Refused(Refusal::KeyReused) };
        }
        let Some((account, change)) = self.accounts.get_mut(&posting.user) else {
            return Done::Refused(Refusal::NoAccount);
        };
        if let Err(refusal) = may(account, posting.amount) {
            return Done::Refused(refusal);
        }
        let row = enter(account, change_of(change, account, posting.at), posting);
        self.written.rows.push(row.0);
        self.posted.entry(posting.user).or_default().insert(posting.key.clone(), row.1.clone());
        Done::Posted(row.1)
    }

    /// Opens a hold, once: the same hold again is there already. It takes its amount from every budget it names and from the account.
    fn begin(&mut self, new: &NewHold) -> Done {
        if self.holds.contains_key(&new.id) {
            return Done::Begun;
        }
        if let Some(short) = self.short(new) {
            return Done::NotBegun(Box::new(HoldError::Budget(Box::new(short))));
        }
        let account = self.accounts.get_mut(&new.user);
        if let Some(error) = hold::refusal(account.as_ref().map(|(account, _)| account), new.amount) {
            return Done::NotBegun(Box::new(error));
        }
        if let Some((account, change)) = account {
            let change = change_of(change, account, new.at);
            change.held = plus(change.held, new.amount);
            account.held = plus(account.held, new.amount);
        }
        for charge in &new.budgets {
            self.take(&charge.window, new.amount, Credits::ZERO, new.at);
        }
        self.holds.insert(new.id, new.opened());
        self.written.opened.push(new.clone());
        Done::Begun
    }

    /// The first budget in the order of the windows that has too little left.
    fn short(&self, new: &NewHold) -> Option<BudgetShort> {
        let standing = |charge: &BudgetCharge| self.windows.get(&charge.window).copied().unwrap_or_default();
        let has_room = |charge: &BudgetCharge| {
            let Standing { spent, held } = standing(charge);
            plus(plus(spent, held), new.amount) <= charge.limit
        };
        let short =
            new.budgets.iter().filter(|charge| !has_room(charge)).min_by_key(|charge| charge.window.as_str())?;
        Some(BudgetShort::of(short, standing(short), new.amount, new.at))
    }

    fn take(&mut self, window: &str, held: Credits, spent: Credits, at: Timestamp) {
        let nothing = WindowChange { held: Credits::ZERO, spent: Credits::ZERO, at };
        let change = self.written.windows.entry(window.to_owned()).or_insert(nothing);
        (change.held, change.spent) = (plus(change.held, held), plus(change.spent, spent));
        change.at = change.at.max(at);
        if let Some(standing) = self.windows.get_mut(window) {
            (standing.held, standing.spent) = (plus(standing.held, held), plus(standing.spent, spent));
        }
    }

    /// Resolves a hold: a settle charges what the call owes and gives the rest back, a void gives everything back.
    fn end(&mut self, charge: &Charge, end: End) -> Result<Done, StoreError> {
        let Some(hold) = self.holds.get_mut(&charge.hold).filter(|hold| hold.status == "held") else {
            return Ok(Done::NotOpen);
        };
        // Whatever else the batch has for this hold comes too late.
        let ended = Hold { status: "ended".to_owned(), ..hold.clone() };
        let hold = std::mem::replace(hold, ended);
        let (account, total) =
            self.accounts.get_mut(&hold.user).ok_or(StoreError::Corrupt("a hold without an account"))?;
        let now = self.clock.now();
        let owed = if end == End::Voided { Owed::NOTHING } else { Owed::of(charge, &hold) };
        let total = change_of(total, account, now);
        total.held = plus(total.held, -hold.amount);
        account.held = plus(account.held, -hold.amount);
        let mut settled =
            Settled { receipt: hold.id, amount: owed.amount, uncollected: owed.uncollected, balance: None };
        let mut transaction = None;
        if owed.amount.is_positive() {
            let posting = settle::posting(self.clock, &hold, "settle", owed.amount, now);
            let (numbered, row) = enter(account, total, &posting);
            self.written.rows.push(numbered);
            settled.balance = Some(row.balance_after);
            transaction = Some(row.id);
        }
        let (receipt, usage) = settle::papers(&hold, charge, owed, transaction, now)?;
        self.written.receipts.push(receipt);
        self.written.usage.push(usage);
        for charged in &hold.budgets {
            self.take(&charged.window, -hold.amount, owed.amount, now);
        }
        self.written.resolved.push(Resolved { hold, end, charged: owed.amount, at: now });
        Ok(Done::Ended(settled))
    }

    /// What has to be written.
    pub(super) fn close(mut self) -> Written {
        self.written.changes = self.accounts.into_values().filter_map(|(_, change)| change).collect();
        self.written
    }
}

/// Whether the account allows the movement: credits unless it is closed or full, debits while it is active and can pay.
fn may(account: &Account, amount: Credits) -> Result<(), Refusal> {
    let debit = !amount.is_positive();
    if account.status == "closed" || (debit && account.status != "active") {
        return Err(Refusal::Frozen);
    }
    if !debit && plus(account.balance, amount) > Credits::MAX {
        return Err(Refusal::Full);
    }
    if debit && account.spendable() < -amount {
        return Err(Refusal::Insufficient { needed: -amount, spendable: account.spendable() });
    }
    Ok(())
}

fn change_of<'c>(change: &'c mut Option<Change>, account: &Account, now: Timestamp) -> &'c mut Change {
    let change = change.get_or_insert(Change {
        user: account.user,
        was: account.version,
        movements: 0,
        amount: Credits::ZERO,
        held: Credits::ZERO,
        at: now,
    });
    change.at = change.at.max(now);
    change
}

/// Moves the account in memory; the bounds of a balance are the database's to enforce.
fn enter(account: &mut Account, change: &mut Change, posting: &Posting) -> (Numbered, Transaction) {
    account.balance = plus(account.balance, posting.amount);
    account.version += 1;
    change.movements += 1;
    change.amount = plus(change.amount, posting.amount);
    let row = posting.posted(account.balance, account.version);
    (Numbered { posting: posting.clone(), balance_after: account.balance, version: account.version }, row)
}

/// Amounts and balances are at most 10¹⁵ and a batch has at most 256 of them: this cannot overflow.
pub(super) const fn plus(one: Credits, other: Credits) -> Credits {
    Credits::from_micro(one.micro().saturating_add(other.micro()))
}
