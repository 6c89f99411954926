//! The rule of a queue alone, without storage or time of its own: who is called next, who must wait, who is turned away.
//!
//! Of those who wait, the higher role goes first. Among equals the users take turns: whoever joins is put behind the others' next call, and
//! behind the own ones that wait already, so many calls of one user delay each other and nobody else. Every fourth place goes to whoever
//! has the earliest turn, whatever the role: nobody starves. A large call at the head is waited for, or small ones would pass it for ever.

use hub_types::{HoldId, UserId};
use serde::{Deserialize, Serialize};

use crate::inference::Ceilings;

/// One of so many places is given without regard to roles.
const WHATEVER_ROLE: u64 = 4;
/// One minute, in microseconds.
const MINUTE: i64 = 60_000_000;

/// What a line obeys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// What may pass at most.
    pub(super) ceilings: Ceilings,
    /// Who may wait at most.
    pub(super) length: usize,
    /// Who may wait at most of one user.
    pub(super) per_user: usize,
    /// How long a place counts without a sign of life, in microseconds.
    pub(super) lease: i64,
    /// How long a waiting call counts without a sign of life, in microseconds.
    pub(super) patience: i64,
    /// What holds calls back beside the ceilings.
    pub(super) flow: Flow,
}

/// How the line of a provider that limited our rate moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It is no such line.
    Free,
    /// The provider's pause is not over: nobody passes.
    Shut,
    /// It is over: one call passes, and for each that was taken since then one more at a time.
    Trickle,
}

/// A call that asks to pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    pub(super) id: HoldId,
    pub(super) user: UserId,
    /// Higher ones go first.
    pub(super) rank: u8,
    /// The most tokens it may use.
    pub(super) tokens: u32,
    /// Whether it waits when it cannot pass at once.
    pub(super) waits: bool,
}

/// What may happen to a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// It asks to pass, for the first time or again.
    Ask(Asking),
    /// It is over, and used so many tokens; or it waits no longer.
    End(HoldId, u32),
    /// It has a place and still runs.
    Renew(HoldId),
    /// It passed after a pause, and the provider took it.
    Taken(HoldId),
    /// The provider limits our rate, again or for the first time: whatever it took before says nothing any more.
    Limited(HoldId),
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may run.
    Passed,
    /// It waits; so many would go before it, and itself.
    Waits(usize),
    /// It did not want to wait.
    Occupied,
    /// Too many wait.
    Full,
    /// Too many of the same user wait.
    Share,
    /// It is over.
    Ended,
}

/// Who waits, who runs, and what the last minute saw.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Line {
    /// The latest turn that was given a place.
    turn: u64,
    /// Places given so far.
    given: u64,
    waiting: Vec<Waiting>,
    running: Vec<Running>,
    /// When the requests of the last minute stop counting.
    requests: Vec<i64>,
    /// Tokens reserved or used, and until when they count.
    tokens: Vec<Tokens>,
    /// Calls that the provider took since its last pause.
    #[serde(default)]
    taken: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    id: HoldId,
    user: UserId,
    rank: u8,
    turn: u64,
    tokens: u32,
    until: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Running {
    id: HoldId,
    until: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Tokens {
    id: HoldId,
    count: u32,
    until: i64,
}

impl Line {
    /// Forgets what does not count any more; all times are microseconds.
    pub(super) fn sweep(&mut self, now: i64) {
        self.waiting.retain(|each| each.until > now);
        self.running.retain(|each| each.until > now);
        self.requests.retain(|until| *until > now);
        self.tokens.retain(|each| each.until > now);
    }

    /// One step; the calls that were given a place by it are added to `called`.
    pub(super) fn step(&mut self, step: Step, rules: &Rules, now: i64, called: &mut Vec<HoldId>) -> Standing {
        match step {
            Step::Ask(asking) => return self.ask(&asking, rules, now, called),
            Step::End(id, used) => {
                self.waiting.retain(|each| each.id != id);
                self.running.retain(|each| each.id != id);
                if let Some(index) = self.tokens.iter().position(|each| each.id == id) {
                    self.tokens[index].count = used;
                    self.tokens[index].until = now + MINUTE;
                }
                // Whoever has a pause to wait out finds out by itself whether it is over.
                if rules.flow != Flow::Free {
                    return Standing::Ended;
                }
            }
            Step::Taken(id) => {
                self.running.retain(|each| each.id != id);
                self.taken += 1;
            }
            Step::Limited(id) => {
                self.running.retain(|each| each.id != id);
                self.taken = 0;
                return Standing::Ended;
            }
            Step::Renew(id) => {
                let until = now + rules.lease;
                match self.running.iter_mut().find(|each| each.id == id) {
                    Some(running) => running.until = until,
                    // The line was lost with the cache; who truly runs is in it again.
                    None => self.running.push(Running { id, until }),
                }
                if let Some(tokens) = self.tokens.iter_mut().find(|each| each.id == id) {
                    tokens.until = tokens.until.max(until);
                }
            }
        }
        self.call(rules, now, called);
        Standing::Ended
    }

    fn ask(&mut self, asking: &Asking, rules: &Rules, now: i64, called: &mut Vec<HoldId>) -> Standing {
        let until = now + rules.patience;
        match self.waiting.iter_mut().find(|each| each.id == asking.id) {
            Some(waiting) => waiting.until = until,
            None if self.running.iter().any(|each| each.id == asking.id) => return Standing::Passed,
            None => {
                let own = self.waiting.iter().filter(|each| each.user == asking.user);
                let turn = own.map(|each| each.turn).fold(self.turn, u64::max) + 1;
                let Asking { id, user, rank, tokens, .. } = *asking;
                self.waiting.push(Waiting { id, user, rank, turn, tokens, until });
            }
        }
        self.call(rules, now, called);
        let Some(index) = self.waiting.iter().position(|each| each.id == asking.id) else { return Standing::Passed };
        let own = self.waiting.iter().filter(|each| each.user == asking.user).count();
        let refusal = match () {
            () if !asking.waits => Standing::Occupied,
            () if own > rules.per_user => Standing::Share,
            () if self.waiting.len() > rules.length => Standing::Full,
            () => {
                let mine = key(&self.waiting[index], true);
                let before = self.waiting.iter().filter(|each| key(each, true) < mine).count();
                return Standing::Waits(before + 1);
            }
        };
        self.waiting.remove(index);
        refusal
    }

    /// Gives places while there are some.
    fn call(&mut self, rules: &Rules, now: i64, called: &mut Vec<HoldId>) {
        loop {
            let by_role = self.given % WHATEVER_ROLE != WHATEVER_ROLE - 1;
            let next = self.waiting.iter().enumerate().min_by_key(|(_, each)| key(each, by_role));
            let Some((index, _)) = next.filter(|(_, each)| self.blocked_by(each.tokens, rules).is_none()) else {
                return;
            };
            let Waiting { id, turn, tokens, .. } = self.waiting.remove(index);
            self.turn = self.turn.max(turn);
            self.given += 1;
            self.running.push(Running { id, until: now + rules.lease });
            if rules.ceilings.requests_per_minute > 0 {
                self.requests.push(now + MINUTE);
            }
            if rules.ceilings.tokens_per_minute > 0 {
                self.tokens.push(Tokens { id, count: tokens, until: now + rules.lease.max(MINUTE) });
            }
            called.push(id);
        }
    }

    /// Which ceiling stops a call of so many tokens; one larger than the whole ceiling passes when nothing else counts.
    pub(super) fn blocked_by(&self, tokens: u32, rules: &Rules) -> Option<&'static str> {
        let ceilings = rules.ceilings;
        if rules.flow == Flow::Shut || (rules.flow == Flow::Trickle && self.running.len() > self.taken) {
            return Some("rate_limit");
        }
        let most = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        let used: u64 = self.tokens.iter().map(|each| u64::from(each.count)).sum();
        if ceilings.max_concurrent > 0 && self.running.len() >= most(ceilings.max_concurrent) {
            return Some("max_concurrent");
        }
        if ceilings.requests_per_minute > 0 && self.requests.len() >= most(ceilings.requests_per_minute) {
            return Some("requests_per_minute");
        }
        let crowded = used > 0 && used + u64::from(tokens) > u64::from(ceilings.tokens_per_minute);
        (ceilings.tokens_per_minute > 0 && crowded).then_some("tokens_per_minute")
    }

    /// Microseconds until the minute's ceiling lets something pass again; `None` for calls that run, whose end nobody knows.
    pub(super) fn frees(&self, ceiling: &str, now: i64) -> Option<i64> {
        let ends = match ceiling {
            "requests_per_minute" => self.requests.iter().min().copied(),
            "tokens_per_minute" => self.tokens.iter().map(|each| each.until).min(),
            _ => None,
        };
        ends.map(|end| end - now)
    }

    /// How many wait, and how many run.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.waiting.len(), self.running.len())
    }
}

/// The order of those who wait: the smallest is next; of equal ones the first in the list.
fn key(waiting: &Waiting, by_role: bool) -> (u8, u64, HoldId) {
    (if by_role { u8::MAX - waiting.rank } else { 0 }, waiting.turn, waiting.id)
}

#[cfg(test)]
mod tests {
    use hub_types::Clock;
    use proptest::prelude::*;

    use super::*;

    fn rules(max_concurrent: u32) -> Rules {
        let ceilings = Ceilings { max_concurrent, ..Ceilings::default() };
        Rules { ceilings, length: 1_000, per_user: 1_000, lease: 60_000_000, patience: 10_000_000, flow: Flow::Free }
    }

    fn asking(clock: &Clock, user: UserId, rank: u8) -> Asking {
        Asking { id: HoldId::new(clock), user, rank, tokens: 10, waits: true }
    }

    /// Ends running calls one by one and says in which order the others were called.
    fn drain(line: &mut Line, rules: &Rules, mut running: Vec<HoldId>) -> Vec<HoldId> {
        let mut order = Vec::new();
        while let Some(id) = running.pop() {
            let mut called = Vec::new();
            line.step(Step::End(id, 5), rules, 0, &mut called);
            order.extend(&called);
            running.splice(0..0, called);
        }
        order
    }

    #[test]
    fn users_take_turns_and_each_is_served_in_the_order_of_asking() {
        let (clock, rules) = (Clock::fixed_at("2026-11-23T10:00:00Z"), rules(1));
        let (mut line, mut called) = (Line::default(), Vec::new());
        let (greedy, modest) = (UserId::new(&clock), UserId::new(&clock));
        let first = asking(&clock, greedy, 1);
        assert_eq!(line.step(Step::Ask(first), &rules, 0, &mut called), Standing::Passed);
        let many: Vec<Asking> = (0..10).map(|_| asking(&clock, greedy, 1)).collect();
        for (number, each) in many.iter().enumerate() {
            assert_eq!(line.step(Step::Ask(*each), &rules, 0, &mut called), Standing::Waits(number + 1));
        }
        let few: Vec<Asking> = (0..3).map(|_| asking(&clock, modest, 1)).collect();
        assert_eq!(line.step(Step::Ask(few[0]), &rules, 0, &mut called), Standing::Waits(2));
        for each in &few[1..] {
            line.step(Step::Ask(*each), &rules, 0, &mut called);
        }
        let order = drain(&mut line, &rules, vec![first.id]);
        let expected: Vec<HoldId> =
            (0..3).flat_map(|n| [many[n].id, few[n].id]).chain(many[3..].iter().map(|each| each.id)).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn the_higher_role_goes_first_and_still_nobody_starves() {
        let (clock, rules) = (Clock::fixed_at("2026-11-23T10:00:00Z"), rules(1));
        let (mut line, mut called) = (Line::default(), Vec::new());
        let guest = UserId::new(&clock);
        let first = asking(&clock, guest, 0);
        line.step(Step::Ask(first), &rules, 0, &mut called);
        let low: Vec<Asking> = (0..3).map(|_| asking(&clock, guest, 0)).collect();
        let boss = UserId::new(&clock);
        let high: Vec<Asking> = (0..12).map(|_| asking(&clock, boss, 3)).collect();
        for each in low.iter().chain(&high) {
            line.step(Step::Ask(*each), &rules, 0, &mut called);
        }
        let order = drain(&mut line, &rules, vec![first.id]);
        let places: Vec<usize> = low.iter().map(|each| order.iter().position(|id| *id == each.id).unwrap()).collect();
        // Every fourth place, counted with the first call.
        assert_eq!(places, [2, 6, 10]);
    }

    #[test]
    fn the_queue_and_each_users_share_of_it_are_bounded() {
        let (clock, rules) = (Clock::fixed_at("2026-11-23T10:00:00Z"), Rules { length: 3, per_user: 2, ..rules(1) });
        let (mut line, mut called) = (Line::default(), Vec::new());
        let (one, two) = (UserId::new(&clock), UserId::new(&clock));
        let mut ask = |user: UserId| line.step(Step::Ask(asking(&clock, user, 1)), &rules, 0, &mut called);
        assert_eq!(
            [one, one, one, one].map(&mut ask),
            [Standing::Passed, Standing::Waits(1), Standing::Waits(2), Standing::Share]
        );
        assert_eq!([two, two].map(&mut ask), [Standing::Waits(2), Standing::Full]);
        assert_eq!(line.counts(), (3, 1));
    }

    #[test]
    fn a_minute_holds_no_more_requests_and_tokens_than_it_may() {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let ceilings = Ceilings { max_concurrent: 0, requests_per_minute: 2, tokens_per_minute: 25 };
        let rules = Rules { ceilings, ..rules(0) };
        let (mut line, mut called, user) = (Line::default(), Vec::new(), UserId::new(&clock));
        let [a, b, c] = [0; 3].map(|_| asking(&clock, user, 1));
        for each in [a, b, c] {
            line.step(Step::Ask(each), &rules, 0, &mut called);
        }
        assert_eq!(called, [a.id, b.id]);
        line.step(Step::End(a.id, 10), &rules, 1, &mut called);
        assert_eq!(line.blocked_by(10, &rules), Some("requests_per_minute"));
        assert_eq!(line.frees("requests_per_minute", 1), Some(MINUTE - 1));
        // The requests are a minute old; of the tokens, those of the call that ended count one microsecond longer.
        line.sweep(MINUTE);
        line.step(Step::Renew(b.id), &rules, MINUTE, &mut called);
        assert_eq!(called.len(), 2, "the waiting call was not heard of for too long");
        let large = Asking { tokens: 1_000, ..asking(&clock, user, 1) };
        line.sweep(MINUTE + 1);
        assert_eq!(line.step(Step::Ask(large), &rules, MINUTE + 1, &mut called), Standing::Passed, "alone it passes");
    }

    #[test]
    fn after_a_pause_one_finds_out_and_the_others_follow_as_it_succeeds() {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let (mut line, user) = (Line::default(), UserId::new(&clock));
        let (shut, open) = (Rules { flow: Flow::Shut, ..rules(0) }, Rules { flow: Flow::Trickle, ..rules(0) });
        let calls: Vec<Asking> = (0..8).map(|_| asking(&clock, user, 1)).collect();
        let mut called = Vec::new();
        for call in &calls {
            assert!(matches!(line.step(Step::Ask(*call), &shut, 0, &mut called), Standing::Waits(_)));
        }
        // One that gives up calls nobody.
        line.step(Step::End(calls[7].id, 0), &open, 0, &mut called);
        assert!(called.is_empty());
        assert_eq!(line.step(Step::Ask(calls[0]), &open, 0, &mut called), Standing::Passed);
        assert_eq!(line.step(Step::Ask(calls[1]), &open, 0, &mut called), Standing::Waits(1));
        line.step(Step::Taken(calls[0].id), &open, 0, &mut called);
        assert_eq!(called, [calls[0].id, calls[1].id, calls[2].id]);
        line.step(Step::Taken(calls[1].id), &open, 0, &mut called);
        assert_eq!(line.counts(), (2, 3));
        // It limits our rate again: nobody is called, and it begins anew with one.
        for limited in &calls[2..5] {
            line.step(Step::Limited(limited.id), &open, 0, &mut called);
        }
        assert_eq!((line.counts(), called.len()), ((2, 0), 5));
        line.step(Step::Ask(calls[6]), &open, 0, &mut called);
        assert_eq!(line.counts(), (1, 1));
    }

    proptest! {
        #[test]
        fn whatever_happens_no_more_run_than_may_and_no_place_stays_empty(
            steps in prop::collection::vec((0..4_u8, 0..12_usize, 0..3_usize, 0..4_u8), 1..200),
            most in 1..5_u32,
        ) {
            let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
            let users = [0; 3].map(|_| UserId::new(&clock));
            let ids = [0; 12].map(|_| HoldId::new(&clock));
            let rules = Rules { per_user: 4, length: 9, ..rules(most) };
            let mut line = Line::default();
            for (what, id, user, rank) in steps {
                let mut called = Vec::new();
                let step = match what {
                    0 => Step::End(ids[id], 3),
                    _ => Step::Ask(Asking { id: ids[id], user: users[user], rank, tokens: 1, waits: what > 1 }),
                };
                line.step(step, &rules, 0, &mut called);
                let (waiting, running) = line.counts();
                prop_assert!(running <= most as usize && waiting <= 9);
                prop_assert!(waiting == 0 || running == most as usize);
            }
        }
    }
}
