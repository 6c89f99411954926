//! Which lot a charge takes from, and what is taken back when a lot has run out. Numbers only: no database, no clock.
//!
//! The order depends only on facts that stand when a charge is posted, so working it out later gives the same as doing it at once
//! (credits.md §2.9). A lot that has run out stays in the order until the row that takes it back is posted: a call that began before
//! may still be paid from it.

use hub_store::grants::Lot;
use hub_types::Timestamp;

/// Brings lots into the order they are spent in: priority, earliest end, promo before bonus before purchase, oldest. Credits without a lot
/// come after all of them.
pub(super) fn sort(lots: &mut [Lot]) {
    lots.sort_by_key(|lot| (lot.priority, lot.expires_at.is_none(), lot.expires_at, lot.category, lot.id));
}

/// Takes the charge with this version, in micro-credits, from sorted lots. What they do not hold came from credits without a lot.
pub(super) fn burn(lots: &mut [Lot], version: i64, amount: i64) {
    let mut rest = amount;
    for lot in lots.iter_mut().filter(|lot| lot.opened < version) {
        let taken = rest.min(lot.left());
        lot.consumed += taken;
        rest -= taken;
    }
}

/// Takes a purchase that was taken back, the other way round: first what has no lot, then lots without an end, and only then those that
/// end. Otherwise credits that were given for a while would pay for it, and what was bought with the money that is back would stay for ever.
pub(super) fn burn_last(lots: &mut [Lot], version: i64, amount: i64, balance_after: i64) {
    let open = |lot: &Lot| lot.opened < version;
    let left: i64 = lots.iter().filter(|lot| open(lot)).map(Lot::left).sum();
    // What the account cannot hold any more was in lots.
    let mut rest = (left - balance_after.max(0)).clamp(0, amount);
    for ends in [false, true] {
        for lot in lots.iter_mut().filter(|lot| open(lot) && lot.expires_at.is_some() == ends) {
            let taken = rest.min(lot.left());
            lot.consumed += taken;
            rest -= taken;
        }
    }
}

/// What is to be taken back of a lot now, with this much spendable (balance less what is held): nothing that a running call may need.
pub(super) fn runs_out(lot: &Lot, now: Timestamp, spendable: i64) -> i64 {
    let is_over = lot.expires_at.is_some_and(|end| end <= now);
    if is_over { lot.left().min(spendable).max(0) } else { 0 }
}

#[cfg(test)]
mod tests {
    use hub_store::grants::Category;
    use hub_types::{Clock, GrantId, TransactionId};
    use proptest::prelude::*;

    use super::*;

    /// What happens to an account.
    #[derive(Debug, Clone)]
    enum Step {
        Give { amount: i64, priority: i32, ends_after: Option<i64>, category: Category },
        Charge(i64),
        TakeBack(i64),
        Hold(i64),
        Release,
        Wait(i64),
        CatchUp,
    }

    fn step() -> impl Strategy<Value = Step> {
        let category = prop_oneof![Just(Category::Promo), Just(Category::Bonus), Just(Category::Purchase)];
        let give = (1..40_i64, 49..52_i32, proptest::option::of(1..60_i64), category);
        prop_oneof![
            3 => give.prop_map(|(amount, priority, ends_after, category)| Step::Give { amount, priority, ends_after, category }),
            4 => (1..50_i64).prop_map(Step::Charge),
            2 => (1..50_i64).prop_map(Step::TakeBack),
            1 => (1..30_i64).prop_map(Step::Hold),
            1 => Just(Step::Release),
            2 => (1..30_i64).prop_map(Step::Wait),
            1 => Just(Step::CatchUp),
        ]
    }

    /// The model: every charge takes one unit after the other, at once, from the lot that is first right then.
    #[derive(Default)]
    struct Eager {
        lots: Vec<Lot>,
    }

    impl Eager {
        fn charge(&mut self, amount: i64) {
            for _ in 0..amount {
                let rank = |lot: &&mut Lot| {
                    let end = lot.expires_at.map_or(i64::MAX, |end| end.timestamp());
                    let kind = ["promo", "bonus", "purchase"].iter().position(|word| *word == lot.category.as_str());
                    (lot.priority, end, kind, lot.id)
                };
                if let Some(first) = self.lots.iter_mut().filter(|lot| lot.left() > 0).min_by_key(rank) {
                    first.consumed += 1;
                }
            }
        }
    }

    impl Eager {
        /// One unit after the other until the account can hold what is left: of lots without an end first, then of those that end first.
        fn take_back(&mut self, balance: i64) {
            while self.lots.iter().map(Lot::left).sum::<i64>() > balance {
                let rank = |lot: &&mut Lot| {
                    let end = lot.expires_at.map_or(i64::MAX, |end| end.timestamp());
                    let kind = ["promo", "bonus", "purchase"].iter().position(|word| *word == lot.category.as_str());
                    (lot.expires_at.is_some(), lot.priority, end, kind, lot.id)
                };
                let Some(first) = self.lots.iter_mut().filter(|lot| lot.left() > 0).min_by_key(rank) else { return };
                first.consumed += 1;
            }
        }
    }

    /// The lots as stored, with the charges that were not taken from them yet.
    #[derive(Default)]
    struct Lazy {
        lots: Vec<Lot>,
        /// Version, amount, and the balance after it of a purchase that was taken back.
        waiting: Vec<(i64, i64, Option<i64>)>,
    }

    impl Lazy {
        fn catch_up(&mut self) {
            sort(&mut self.lots);
            for (version, amount, back) in self.waiting.drain(..) {
                match back {
                    Some(balance_after) => burn_last(&mut self.lots, version, amount, balance_after),
                    None => burn(&mut self.lots, version, amount),
                }
            }
        }
    }

    fn expire(lots: &mut [Lot], now: Timestamp, balance: &mut i64, held: i64) {
        sort(lots);
        for lot in lots {
            let back = runs_out(lot, now, *balance - held);
            lot.expired += back;
            *balance -= back;
        }
    }

    #[test]
    fn a_purchase_that_is_taken_back_takes_what_was_given_for_a_while_last() {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let lot = |opened, amount, ends: bool| Lot {
            id: GrantId::new(&clock),
            source: TransactionId::new(&clock),
            opened,
            category: Category::Promo,
            priority: 50,
            amount,
            consumed: 0,
            expired: 0,
            created_at: clock.now(),
            expires_at: ends.then(|| clock.now() + chrono::Duration::days(3)),
        };
        // Bought 100 beside them, and the balance right after a chargeback of 100.
        for (balance_after, expected) in [(150, [0, 0]), (100, [0, 50]), (60, [40, 50]), (0, [50, 50]), (-30, [50, 50])]
        {
            let mut lots = [lot(1, 100, true), lot(2, 50, false), lot(9, 70, true)];
            burn_last(&mut lots, 5, 100, balance_after);
            assert_eq!([lots[0].consumed, lots[1].consumed], expected, "{balance_after}");
            assert_eq!(lots[2].consumed, 0, "it came later");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn working_lots_out_later_gives_the_same_as_doing_it_at_once(start in 0..60_i64, steps in prop::collection::vec(step(), 1..60)) {
            let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
            let (mut eager, mut lazy) = (Eager::default(), Lazy::default());
            let (mut balance, mut late, mut held, mut version) = (start, start, 0, 1);
            for step in steps {
                match step {
                    Step::Give { amount, priority, ends_after, category } => {
                        version += 1;
                        balance += amount;
                        late += amount;
                        let lot = Lot {
                            id: GrantId::new(&clock),
                            source: TransactionId::new(&clock),
                            opened: version,
                            category,
                            priority,
                            amount,
                            consumed: 0,
                            expired: 0,
                            created_at: clock.now(),
                            expires_at: ends_after.map(|seconds| clock.now() + chrono::Duration::seconds(seconds)),
                        };
                        eager.lots.push(lot.clone());
                        lazy.lots.push(lot);
                    }
                    Step::Charge(amount) if amount <= balance - held => {
                        version += 1;
                        balance -= amount;
                        late -= amount;
                        eager.charge(amount);
                        lazy.waiting.push((version, amount, None));
                    }
                    Step::TakeBack(amount) if amount <= balance - held => {
                        version += 1;
                        balance -= amount;
                        late -= amount;
                        eager.take_back(balance);
                        lazy.waiting.push((version, amount, Some(balance)));
                    }
                    Step::Hold(amount) if held == 0 && amount <= balance => held = amount,
                    // What was held is charged, as a settle does.
                    Step::Release => {
                        version += 1;
                        balance -= held;
                        late -= held;
                        eager.charge(held);
                        lazy.waiting.push((version, held, None));
                        held = 0;
                    }
                    Step::Wait(seconds) => {
                        clock.advance(chrono::Duration::seconds(seconds));
                        lazy.catch_up();
                        expire(&mut eager.lots, clock.now(), &mut balance, held);
                        expire(&mut lazy.lots, clock.now(), &mut late, held);
                        version += 1;
                    }
                    Step::CatchUp => lazy.catch_up(),
                    Step::Charge(_) | Step::TakeBack(_) | Step::Hold(_) => {}
                }
                prop_assert_eq!(balance, late);
                prop_assert!(balance >= held, "held credits were taken back");
            }
            lazy.catch_up();
            sort(&mut eager.lots);
            prop_assert_eq!(&eager.lots, &lazy.lots);
            let left: i64 = eager.lots.iter().map(Lot::left).sum();
            prop_assert!(left <= balance, "lots hold more than the account");
        }
    }
}
