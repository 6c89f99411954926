//! What may happen to an account, and what the dice choose of it.

use hub_store::grants::Category;
use hub_types::{Clock, HoldId};

use crate::dice::Dice;
use crate::model::{Account, Status};

/// Tokens of the longest call.
const LONGEST: i64 = 900;

/// One operation on one account, in numbers that mean something to the model. Calls and rows are named by their number.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Grant {
        amount: i64,
    },
    GiveLot {
        amount: i64,
        category: Category,
        seconds: Option<i64>,
    },
    Deduct {
        amount: i64,
    },
    /// The key of an earlier deduction, with its amount or with another one.
    DeductAgain {
        number: usize,
        same: bool,
    },
    Adjust {
        amount: i64,
    },
    Refund {
        number: usize,
        amount: Option<i64>,
    },
    Redeem {
        promo: usize,
    },
    Begin {
        id: HoldId,
        tokens: i64,
        of_line: bool,
        of_user: bool,
    },
    Checkpoint {
        number: usize,
        tokens: i64,
    },
    Settle {
        number: usize,
        tokens: i64,
    },
    Void {
        number: usize,
    },
}

/// A step that makes sense for this account.
pub(crate) fn step(dice: &mut Dice, clock: &Clock, account: &Account, promos: usize) -> Step {
    let open: Vec<usize> = numbers(account, Status::Held);
    let lost: Vec<usize> = numbers(account, Status::Expired);
    let any = |dice: &mut Dice, count: usize| (count > 0).then(|| dice.below(count));
    let chosen = match dice.below(100) {
        0..6 => Some(Step::Grant { amount: dice.between(1, 10_000) }),
        6..12 => {
            let category = [Category::Promo, Category::Bonus, Category::Purchase][dice.below(3)];
            let seconds = dice.chance(80).then(|| dice.between(1, 300));
            Some(Step::GiveLot { amount: dice.between(1, 60_000), category, seconds })
        }
        12..24 => Some(Step::Deduct { amount: dice.between(1, 25_000) }),
        24..28 => any(dice, account.deducted.len()).map(|number| Step::DeductAgain { number, same: dice.chance(70) }),
        28..33 => {
            let amount = dice.between(1, 20_000);
            Some(Step::Adjust { amount: if dice.chance(60) { -amount } else { amount } })
        }
        33..37 => {
            let number = any(dice, account.debits.len());
            number.map(|number| Step::Refund { number, amount: dice.chance(60).then(|| dice.between(1, 9_000)) })
        }
        37..41 => any(dice, promos).map(|promo| Step::Redeem { promo }),
        41..52 => dice
            .one_of(&open)
            .map(|number| Step::Checkpoint { number, tokens: dice.between(account.holds[number].noted.0, LONGEST) }),
        52..70 => dice.one_of(&open).map(|number| Step::Settle { number, tokens: dice.between(0, LONGEST + 50) }),
        70..75 => dice.one_of(&lost).map(|number| Step::Settle { number, tokens: dice.between(0, LONGEST) }),
        // Again, or on a call that is over.
        75..77 => any(dice, account.holds.len()).map(|number| Step::Settle { number, tokens: dice.between(0, 300) }),
        77..79 => any(dice, account.holds.len()).map(|number| Step::Void { number }),
        79..82 => dice.one_of(&open).map(|number| Step::Void { number }),
        _ => None,
    };
    chosen.unwrap_or_else(|| Step::Begin {
        id: HoldId::new(clock),
        tokens: dice.between(1, LONGEST),
        of_line: dice.chance(30),
        of_user: dice.chance(30),
    })
}

/// The last calls of this status: those of long ago need not be asked about.
fn numbers(account: &Account, status: Status) -> Vec<usize> {
    let found = account.holds.iter().enumerate().rev().filter(|(_, hold)| hold.status == status);
    found.map(|(number, _)| number).take(12).collect()
}
