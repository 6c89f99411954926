//! The hopeful plan of a batch: that nobody in it is refused. Then it is one write (`hub_store::fold_once`), whose guards ask each account
//! for as much as its part needs. Movements that cannot be planned without reading, and all others of their accounts, are left to be
//! decided under locks. No database here.

use std::collections::{HashMap, HashSet};

use hub_store::StoreError;
use hub_store::fold_once::{Ended, Moved, Must, Once, Part, Placed};
use hub_store::holds::{End, Hold, NewHold};
use hub_store::ledger::Posting;
use hub_types::{Clock, Credits, HoldId, Timestamp, UserId};

use super::book::plus;
use super::open::OpenHolds;
use super::{Done, Movement};
use crate::credits::settle::{self, Charge, Owed, Settled};

/// Far below what any account has: nothing needs to be spendable.
const NOTHING_NEEDED: Credits = Credits::from_micro(-(1 << 60));

/// What a movement is told when its account moved.
enum Hoped {
    Posted(usize),
    Begun,
    Ended(Settled, Option<usize>),
}

/// A batch as one write.
pub(super) struct Plan {
    pub(super) once: Once,
    /// Per movement; `None` is left to be decided.
    hoped: Vec<Option<(UserId, Hoped)>>,
}

impl Plan {
    /// Plans what can be planned.
    pub(super) fn of(clock: &Clock, open: &OpenHolds, movements: &[Movement]) -> Result<Self, StoreError> {
        let mut drafts = Drafts::new(clock);
        let (known, awkward) = look(open, movements);
        let mut hoped = Vec::with_capacity(movements.len());
        for movement in movements {
            hoped.push(if awkward.contains(&movement.user()) { None } else { drafts.enter(movement, &known)? });
        }
        Ok(Self { once: drafts.close(), hoped })
    }

    /// What each movement is told; `None` where its account did not move, or it was not planned.
    pub(super) fn told(self, moved: &[Moved]) -> Vec<Option<Done>> {
        let moved: HashMap<UserId, &Moved> = moved.iter().map(|moved| (moved.user(), moved)).collect();
        let rows = &self.once.rows;
        let row = |number: usize, moved: &Moved| {
            let Placed { posting, after, later } = &rows[number];
            posting.posted(plus(moved.balance(), -*after), moved.version() - later)
        };
        let told = |(user, hoped): (UserId, Hoped)| {
            let moved = moved.get(&user)?;
            Some(match hoped {
                Hoped::Posted(number) => Done::Posted(row(number, moved)),
                Hoped::Begun => Done::Begun,
                Hoped::Ended(settled, number) => {
                    let balance = number.map(|number| row(number, moved).balance_after);
                    Done::Ended(Settled { balance, ..settled })
                }
            })
        };
        self.hoped.into_iter().map(|one| one.and_then(told)).collect()
    }
}

/// The holds that end and are known, and the accounts whose movements must be decided under locks: they take from budgets, end a hold that
/// has to be read, or do something twice.
fn look(open: &OpenHolds, movements: &[Movement]) -> (HashMap<HoldId, Hold>, HashSet<UserId>) {
    let (mut known, mut awkward, mut keys) = (HashMap::new(), HashSet::new(), HashSet::new());
    for movement in movements {
        let plain = match movement {
            Movement::Post(posting) => keys.insert((posting.user, posting.key.as_str())),
            Movement::Begin(hold) => hold.budgets.is_empty(),
            Movement::End(charge, _) => match open.get(charge.hold) {
                Some(hold) if hold.user == charge.user => known.insert(charge.hold, hold).is_none(),
                _ => false,
            },
        };
        if !plain {
            awkward.insert(movement.user());
        }
    }
    (known, awkward)
}

/// The parts of the accounts as they grow.
struct Drafts<'a> {
    clock: &'a Clock,
    /// With the change of what is spendable so far.
    parts: HashMap<UserId, (Part, Credits)>,
    once: Once,
}

impl<'a> Drafts<'a> {
    fn new(clock: &'a Clock) -> Self {
        Self { clock, parts: HashMap::new(), once: Once::default() }
    }

    fn enter(
        &mut self,
        movement: &Movement,
        known: &HashMap<HoldId, Hold>,
    ) -> Result<Option<(UserId, Hoped)>, StoreError> {
        let hoped = match movement {
            Movement::Post(posting) => self.post(posting),
            Movement::Begin(hold) => self.begin(hold),
            Movement::End(charge, end) => {
                let Some(hold) = known.get(&charge.hold) else { return Ok(None) };
                self.end(hold, charge, *end)?
            }
        };
        Ok(Some((movement.user(), hoped)))
    }

    fn post(&mut self, posting: &Posting) -> Hoped {
        let (part, gained) = part_of(&mut self.parts, posting.user, posting.at);
        if posting.amount.is_positive() {
            part.must = part.must.max(Must::BeOpen);
            part.rise = part.rise.max(plus(part.amount, posting.amount));
            *gained = plus(*gained, posting.amount);
        } else {
            pay(part, gained, -posting.amount);
        }
        Hoped::Posted(place(part, &mut self.once.rows, posting.clone()))
    }

    fn begin(&mut self, hold: &NewHold) -> Hoped {
        let (part, gained) = part_of(&mut self.parts, hold.user, hold.at);
        pay(part, gained, hold.amount);
        part.held = plus(part.held, hold.amount);
        self.once.opened.push(hold.clone());
        Hoped::Begun
    }

    fn end(&mut self, hold: &Hold, charge: &Charge, end: End) -> Result<Hoped, StoreError> {
        let now = self.clock.now();
        let owed = if end == End::Voided { Owed::NOTHING } else { Owed::of(charge, hold) };
        let (part, gained) = part_of(&mut self.parts, hold.user, now);
        part.ends += 1;
        part.held = plus(part.held, -hold.amount);
        *gained = plus(*gained, plus(hold.amount, -owed.amount));
        let (mut number, mut transaction) = (None, None);
        if owed.amount.is_positive() {
            let posting = settle::posting(self.clock, hold, "settle", owed.amount, now);
            transaction = Some(posting.id);
            number = Some(place(part, &mut self.once.rows, posting));
        }
        let (receipt, usage) = settle::papers(hold, charge, owed, transaction, now)?;
        self.once.ended.push(Ended { hold: hold.clone(), end, receipt, usage });
        Ok(Hoped::Ended(
            Settled { receipt: hold.id, amount: owed.amount, uncollected: owed.uncollected, balance: None },
            number,
        ))
    }

    /// Counts the rows from the end of their account's part: where it stands then is what the write tells.
    fn close(mut self) -> Once {
        for row in &mut self.once.rows {
            if let Some((part, _)) = self.parts.get(&row.posting.user) {
                row.after = plus(part.amount, -row.after);
                row.later = part.movements - row.later;
            }
        }
        self.once.parts = self.parts.into_values().map(|(part, _)| part).collect();
        self.once
    }
}

fn part_of(parts: &mut HashMap<UserId, (Part, Credits)>, user: UserId, at: Timestamp) -> &mut (Part, Credits) {
    let nothing = || Part {
        user,
        needed: NOTHING_NEEDED,
        rise: Credits::ZERO,
        must: Must::Be,
        amount: Credits::ZERO,
        held: Credits::ZERO,
        movements: 0,
        ends: 0,
        at,
    };
    let found = parts.entry(user).or_insert_with(|| (nothing(), Credits::ZERO));
    found.0.at = found.0.at.max(at);
    found
}

/// The account must be able to spend so much at this point.
fn pay(part: &mut Part, gained: &mut Credits, amount: Credits) {
    part.must = Must::BeActive;
    part.needed = part.needed.max(plus(amount, -*gained));
    *gained = plus(*gained, -amount);
}

/// Adds a ledger row, counted from the beginning of the part for now.
fn place(part: &mut Part, rows: &mut Vec<Placed>, posting: Posting) -> usize {
    part.amount = plus(part.amount, posting.amount);
    part.movements += 1;
    rows.push(Placed { posting, after: part.amount, later: part.movements });
    rows.len() - 1
}
