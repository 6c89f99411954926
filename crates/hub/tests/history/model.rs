//! What an account must look like: numbers in memory, moved by the plain meaning of each operation. Micro-credits throughout.

use std::collections::{BTreeMap, BTreeSet};

use hub_store::grants::Category;
use hub_types::{ApiKeyId, Caller, HoldId, OrderId, Timestamp, TransactionId, UserId};

/// What a line of keys may spend in all, and a user in a day.
pub(crate) const OF_LINE: i64 = 300_000;
pub(crate) const OF_DAY: i64 = 250_000;
/// What an order gives, and its price in cents.
pub(crate) const BOUGHT: i64 = 150_000;
pub(crate) const PRICE: i64 = 1_000;

/// One account.
pub(crate) struct Account {
    pub(crate) caller: Caller,
    pub(crate) line: ApiKeyId,
    pub(crate) balance: i64,
    pub(crate) held: i64,
    pub(crate) version: i64,
    pub(crate) frozen: bool,
    pub(crate) lots: Vec<Lot>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) deducted: Vec<Deducted>,
    pub(crate) debits: Vec<Debit>,
    /// Spent and held of each budget window.
    pub(crate) windows: BTreeMap<String, (i64, i64)>,
    pub(crate) orders: Vec<Order>,
    /// What happened to it at least once.
    pub(crate) seen: BTreeSet<&'static str>,
}

/// What a history is worth little without.
pub(crate) const WANTED: [&str; 15] = [
    "paid from a lot",
    "begun",
    "short",
    "frozen",
    "over the budget of the key",
    "over the budget of the user",
    "charged less than it cost",
    "swept",
    "settled late",
    "settled late in part",
    "expired",
    "expired in part",
    "bought",
    "taken back",
    "taken back below zero",
];

/// Credits given together.
pub(crate) struct Lot {
    pub(crate) ends: Option<Timestamp>,
    pub(crate) category: Category,
    pub(crate) left: i64,
}

/// A deduction under a key.
pub(crate) struct Deducted {
    pub(crate) key: String,
    pub(crate) amount: i64,
    pub(crate) after: i64,
    pub(crate) transaction: TransactionId,
}

/// A row that can be given back.
pub(crate) struct Debit {
    pub(crate) transaction: TransactionId,
    pub(crate) left: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Held,
    Ended,
    Expired,
}

/// A call.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) id: HoldId,
    /// Which hub runs it.
    pub(crate) hub: usize,
    pub(crate) amount: i64,
    pub(crate) status: Status,
    /// Tokens of the last checkpoint, and what they cost.
    pub(crate) noted: (i64, i64),
    pub(crate) lease: Timestamp,
    pub(crate) charged: i64,
    pub(crate) windows: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dispute {
    None,
    Open,
    Lost,
    Won,
}

/// An order of credits.
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) paid: bool,
    /// Cents.
    pub(crate) refunded: i64,
    pub(crate) dispute: Dispute,
    /// What refunds and the dispute took.
    pub(crate) taken: (i64, i64),
}

impl Account {
    pub(crate) fn new(caller: Caller, line: ApiKeyId) -> Self {
        Self {
            caller,
            line,
            balance: 0,
            held: 0,
            version: 0,
            frozen: false,
            lots: Vec::new(),
            holds: Vec::new(),
            deducted: Vec::new(),
            debits: Vec::new(),
            windows: BTreeMap::new(),
            orders: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    pub(crate) fn user(&self) -> UserId {
        self.caller.user
    }

    pub(crate) fn spendable(&self) -> i64 {
        (self.balance - self.held).max(0)
    }

    /// Credits without a lot. What makes an account even lets it go on, unless a dispute about it is open.
    pub(crate) fn gain(&mut self, amount: i64) {
        self.balance += amount;
        self.version += 1;
        if amount > 0 && self.balance - self.held >= 0 && self.orders.iter().all(|order| order.dispute != Dispute::Open)
        {
            self.frozen = false;
        }
    }

    pub(crate) fn gain_lot(&mut self, amount: i64, category: Category, ends: Option<Timestamp>) {
        self.gain(amount);
        self.lots.push(Lot { ends, category, left: amount });
    }

    /// A charge, which lots pay first: those that end first, promotions before presents before purchases.
    pub(crate) fn pay(&mut self, amount: i64) {
        self.balance -= amount;
        self.version += 1;
        self.lots.sort_by_key(|lot| (lot.ends.is_none(), lot.ends, lot.category));
        if burn(&mut self.lots, amount) {
            self.seen.insert("paid from a lot");
        }
    }

    /// Why an account does not pay this; `None` when it does.
    pub(crate) fn refusal(&self, amount: i64) -> Option<&'static str> {
        if self.frozen { Some("frozen") } else { (self.spendable() < amount).then_some("short") }
    }

    /// The windows a call takes from, with their limits, in the order in which they are asked.
    pub(crate) fn budgets(&self, of_line: bool, of_user: bool, now: Timestamp) -> Vec<(String, i64)> {
        let line = of_line.then(|| (format!("key:{}:total", self.line), OF_LINE));
        let day = now.format("%Y-%m-%d");
        let user = of_user.then(|| (format!("user:{}:day:{day}", self.user()), OF_DAY));
        line.into_iter().chain(user).collect()
    }

    /// A call begins, or why it does not.
    pub(crate) fn begin(&mut self, hold: Hold, budgets: &[(String, i64)]) -> &'static str {
        let word = self.admit(hold, budgets);
        self.seen.insert(word);
        word
    }

    fn admit(&mut self, hold: Hold, budgets: &[(String, i64)]) -> &'static str {
        for (window, limit) in budgets {
            let (spent, promised) = self.windows.get(window).copied().unwrap_or_default();
            if spent + promised + hold.amount > *limit {
                return if window.starts_with("key:") {
                    "over the budget of the key"
                } else {
                    "over the budget of the user"
                };
            }
        }
        if let Some(refusal) = self.refusal(hold.amount) {
            return refusal;
        }
        self.held += hold.amount;
        for window in &hold.windows {
            self.windows.entry(window.clone()).or_default().1 += hold.amount;
        }
        self.holds.push(hold);
        "begun"
    }

    /// A call ends at this cost; answers what it was charged in all.
    pub(crate) fn settle(&mut self, number: usize, cost: i64) -> i64 {
        let hold = &self.holds[number];
        let owed = cost.min(hold.amount);
        match hold.status {
            Status::Held => {
                if owed < cost {
                    self.seen.insert("charged less than it cost");
                }
                self.resolve(number, owed, Status::Ended);
            }
            Status::Expired if owed > hold.charged => {
                // Too late: what is owed beyond the checkpoint is taken as far as it is there.
                let missing = owed - hold.charged;
                let taken = if self.frozen { 0 } else { missing.min(self.spendable()) };
                self.seen.insert(if taken < missing { "settled late in part" } else { "settled late" });
                self.holds[number].status = Status::Ended;
                self.holds[number].charged += taken;
                if taken > 0 {
                    self.pay(taken);
                }
                for window in self.holds[number].windows.clone() {
                    self.windows.entry(window).or_default().0 += taken;
                }
            }
            Status::Expired | Status::Ended => {}
        }
        self.holds[number].charged
    }

    /// The hold is given back but for what is charged.
    pub(crate) fn resolve(&mut self, number: usize, charged: i64, status: Status) {
        let hold = &mut self.holds[number];
        (hold.status, hold.charged) = (status, charged);
        let (amount, windows) = (hold.amount, hold.windows.clone());
        self.held -= amount;
        if charged > 0 {
            self.pay(charged);
        }
        for window in windows {
            let (spent, promised) = self.windows.entry(window).or_default();
            *spent += charged;
            *promised -= amount;
        }
    }

    /// Calls whose lease has run out are charged what their last checkpoint says.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        for number in 0..self.holds.len() {
            let Hold { status, lease, noted: (_, cost), amount, .. } = self.holds[number];
            if status == Status::Held && lease < now {
                self.seen.insert("swept");
                self.resolve(number, cost.min(amount), Status::Expired);
            }
        }
    }

    /// What is left of lots that have run out is taken back, as far as no call holds it.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        if self.frozen {
            return;
        }
        self.lots.sort_by_key(|lot| (lot.ends.is_none(), lot.ends, lot.category));
        for lot in &mut self.lots {
            let back = lot.left.min(self.balance - self.held).max(0);
            if back > 0 && lot.ends.is_some_and(|end| end <= now) {
                self.seen.insert(if back < lot.left { "expired in part" } else { "expired" });
                lot.left -= back;
                self.balance -= back;
                self.version += 1;
            }
        }
    }

    /// The ledger after news about an order: what refunds and disputes are due, and whether the account may go on.
    pub(crate) fn news(&mut self, number: usize, payment: bool) {
        if payment && !std::mem::replace(&mut self.orders[number].paid, true) {
            self.gain(BOUGHT);
            self.seen.insert("bought");
        } else if payment || !self.orders[number].paid {
            // A payment that is known is no news, and what is taken back waits for its payment.
            return;
        }
        let order = &self.orders[number];
        let refunds = BOUGHT * order.refunded / PRICE;
        let disputed = if matches!(order.dispute, Dispute::Open | Dispute::Lost) { BOUGHT - refunds } else { 0 };
        let moved = [order.taken.0 - refunds, order.taken.1 - disputed];
        self.orders[number].taken = (refunds, disputed);
        for amount in moved {
            if amount == 0 {
                continue;
            }
            self.gain(amount);
            if amount < 0 {
                self.take_back(-amount);
                self.seen.insert(if self.balance < 0 { "taken back below zero" } else { "taken back" });
            }
            self.frozen |= self.balance - self.held < 0;
        }
        if self.orders[number].dispute == Dispute::Open {
            self.frozen = true;
        } else if self.balance - self.held >= 0 && self.orders.iter().all(|order| order.dispute != Dispute::Open) {
            self.frozen = false;
        }
    }

    /// A purchase that was taken back: lots give only what the account cannot hold any more, those without an end first.
    fn take_back(&mut self, amount: i64) {
        let left: i64 = self.lots.iter().map(|lot| lot.left).sum();
        let excess = (left - self.balance.max(0)).clamp(0, amount);
        self.lots.sort_by_key(|lot| (lot.ends.is_some(), lot.ends, lot.category));
        burn(&mut self.lots, excess);
    }
}

/// Whether any lot paid.
fn burn(lots: &mut [Lot], amount: i64) -> bool {
    let mut rest = amount;
    for lot in lots {
        let taken = rest.min(lot.left);
        lot.left -= taken;
        rest -= taken;
    }
    rest < amount
}
