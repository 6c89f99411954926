//! Budgets: which windows a call takes from, and what is left in them.
//!
//! Three kinds apply together: that of the key's line, and per period that of the user, which an administrator sets in place of what
//! the role may spend. A window counts the calls made while its budget was set; direct deductions by an administrator do not count.

use std::time::Duration;

use chrono::{Datelike as _, Days, Months, NaiveDate};
use hub_store::budgets::{self, Charge, Standing};
use hub_store::{StoreError, Tx, accounts, roles, user_budgets, users};
use hub_types::{ApiKeyId, Budget, BudgetPeriod, Caller, Credits, Permission, RateTier, Timestamp, UserId};
use serde_json::json;

use super::CreditsError;
use super::balance::subject;
use crate::access::{doors_of, forget};
use crate::audit::{self, Event};
use crate::limits::RoleLimits;
use crate::{Hub, Origin, rbac};

/// When it is worth trying again while other calls hold what is missing: most end within seconds.
pub(super) const CALLS_END: Duration = Duration::from_secs(5);

/// The numbers of a budget that has too little left for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetShort {
    /// `key` or `user`.
    pub scope: &'static str,
    /// `day`, `month` or `total`.
    pub period: &'static str,
    /// The budget.
    pub limit: Credits,
    /// Charged in this period.
    pub spent: Credits,
    /// Promised to running calls; they give back what they do not use.
    pub held: Credits,
    /// What the call may cost at most.
    pub needed: Credits,
    /// When the next period begins; a total has none.
    pub resets_at: Option<Timestamp>,
    /// When it may be worth trying again: soon where running calls hold what is missing, else when the next period begins.
    pub retry_after: Option<Duration>,
}

impl BudgetShort {
    /// What could be spent of it now. Never below zero.
    pub fn available(&self) -> Credits {
        left(self.limit, Standing { spent: self.spent, held: self.held })
    }

    /// What is missing.
    pub fn missing(&self) -> Credits {
        self.needed.checked_sub(self.available()).unwrap_or_default()
    }

    pub(super) fn of(charge: &Charge, standing: Standing, needed: Credits, now: Timestamp) -> Self {
        let mut words = charge.window.split(':');
        let scope = if words.next() == Some("key") { "key" } else { "user" };
        let period = words.nth(1).and_then(BudgetPeriod::from_name).unwrap_or(BudgetPeriod::Total);
        let resets_at = Span::of(period, charge.period_start).end;
        let unspent = left(charge.limit, Standing { held: Credits::ZERO, ..standing });
        let retry_after = if needed <= unspent {
            Some(CALLS_END)
        } else {
            // A budget that is smaller than the call will be so in the next period as well.
            resets_at.filter(|_| needed <= charge.limit).and_then(|at| (at - now).to_std().ok())
        };
        Self {
            scope,
            period: period.as_str(),
            limit: charge.limit,
            spent: standing.spent,
            held: standing.held,
            needed,
            resets_at,
            retry_after,
        }
    }
}

/// A budget and how it stands in the current period.
#[derive(Debug, Clone, Copy)]
pub struct BudgetState {
    /// The budget.
    pub budget: Budget,
    /// True where it is the role's and not set for this user or key.
    pub from_role: bool,
    /// Charged in this period.
    pub spent: Credits,
    /// Promised to running calls.
    pub held: Credits,
    /// What could be spent now.
    pub available: Credits,
    /// When the next period begins; a total has none.
    pub resets_at: Option<Timestamp>,
}

/// What is left of the tightest budget of this caller; `None` without budgets.
pub(crate) async fn available(hub: &Hub, tx: &mut Tx, caller: &Caller) -> Result<Option<Credits>, StoreError> {
    let charges = charges(hub, caller);
    let standings = standings(tx, &charges).await?;
    Ok(charges.iter().zip(standings).map(|(charge, standing)| left(charge.limit, standing)).min())
}

/// The windows a call of this caller takes from.
pub(crate) fn charges(hub: &Hub, caller: &Caller) -> Vec<Charge> {
    let now = hub.clock.now();
    let line = caller.line.and_then(|line| line.limits.budget.map(|budget| of_line(line.id, budget, now)));
    let users = in_force(&caller.budgets, hub.settings.limits.roles.of(caller.tier));
    line.into_iter().chain(users.into_iter().map(|(budget, _)| of_user(caller.user, budget, now))).collect()
}

/// The budgets of a user, and how they stand. Somebody else's need `credits:read_any`.
pub async fn budgets_of(hub: &Hub, caller: &Caller, user: UserId) -> Result<Vec<BudgetState>, CreditsError> {
    let user = subject(caller, Some(user))?;
    let mut tx = hub.store.read().await?;
    if accounts::get(&mut tx, user).await?.is_none() {
        return Err(CreditsError::NotFound);
    }
    Ok(states(hub, &mut tx, user).await?)
}

async fn states(hub: &Hub, tx: &mut Tx, user: UserId) -> Result<Vec<BudgetState>, StoreError> {
    let own = user_budgets::of(tx, user).await?;
    let names = roles::names_of(tx, user).await?;
    let role = hub.settings.limits.roles.of(RateTier::of(names.iter().map(String::as_str)));
    let now = hub.clock.now();
    let budgets = in_force(&own, role);
    let charges: Vec<Charge> = budgets.iter().map(|(budget, _)| of_user(user, *budget, now)).collect();
    let standings = standings(tx, &charges).await?;
    let state =
        |((budget, from_role), standing): (&(Budget, bool), Standing)| state(*budget, *from_role, standing, now);
    Ok(budgets.iter().zip(standings).map(state).collect())
}

/// Sets what a user may spend per period, in place of what the role may; an empty list leaves it to the role. Needs `users:update`.
pub async fn set_budgets(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    user: UserId,
    budgets: Vec<Budget>,
) -> Result<Vec<BudgetState>, CreditsError> {
    rbac::require(caller, Permission::UsersUpdate)?;
    check(&budgets)?;
    let mut tx = hub.store.write().await?;
    if !users::lock(&mut tx, user).await? {
        return Err(CreditsError::NotFound);
    }
    user_budgets::replace(&mut tx, user, &budgets, hub.clock.now()).await?;
    let event = Event::new("credits.budgets_set").by(caller).on("user", &user.to_string()).about(user);
    audit::record(hub, &mut tx, origin, event.details(json!({ "budgets": budgets }))).await?;
    let states = states(hub, &mut tx, user).await?;
    let doors = doors_of(hub, &mut tx, user).await?;
    tx.commit().await?;
    forget(hub, doors).await;
    Ok(states)
}

fn check(budgets: &[Budget]) -> Result<(), CreditsError> {
    for (index, budget) in budgets.iter().enumerate() {
        if budget.amount < Credits::ZERO {
            return Err(CreditsError::Invalid { field: "budgets", message: "must not be below zero" });
        }
        if budgets.iter().skip(index + 1).any(|other| other.period == budget.period) {
            return Err(CreditsError::Invalid { field: "budgets", message: "must hold each period once" });
        }
    }
    Ok(())
}

/// How the budgets of these lines stand, in the same order.
pub(crate) async fn of_lines(
    tx: &mut Tx,
    lines: &[(ApiKeyId, Budget)],
    now: Timestamp,
) -> Result<Vec<BudgetState>, StoreError> {
    let charges: Vec<Charge> = lines.iter().map(|(line, budget)| of_line(*line, *budget, now)).collect();
    let standings = standings(tx, &charges).await?;
    Ok(lines.iter().zip(standings).map(|((_, budget), standing)| state(*budget, false, standing, now)).collect())
}

/// The numbers of each charge's window.
pub(super) async fn standings(tx: &mut Tx, charges: &[Charge]) -> Result<Vec<Standing>, StoreError> {
    let windows: Vec<String> = charges.iter().map(|charge| charge.window.clone()).collect();
    let found = budgets::standing(tx, &windows).await?;
    let standing = |window: &String| found.iter().find(|(id, _)| id == window).map(|(_, standing)| *standing);
    Ok(windows.iter().map(|window| standing(window).unwrap_or_default()).collect())
}

/// A user's own budgets, and those of the role in the periods for which there is no own one (`true`).
fn in_force(own: &[Budget], role: &RoleLimits) -> Vec<(Budget, bool)> {
    let role = [(BudgetPeriod::Day, role.credits_per_day), (BudgetPeriod::Month, role.credits_per_month)];
    let unset = |period| own.iter().all(|budget| budget.period != period);
    let of_role = role.into_iter().filter(|(period, amount)| amount.is_positive() && unset(*period));
    own.iter()
        .map(|budget| (*budget, false))
        .chain(of_role.map(|(period, amount)| (Budget { amount, period }, true)))
        .collect()
}

fn of_line(line: ApiKeyId, budget: Budget, now: Timestamp) -> Charge {
    charge(&format!("key:{line}"), budget, now)
}

fn of_user(user: UserId, budget: Budget, now: Timestamp) -> Charge {
    charge(&format!("user:{user}"), budget, now)
}

fn charge(subject: &str, budget: Budget, now: Timestamp) -> Charge {
    let span = Span::of(budget.period, now);
    let window = match budget.period {
        BudgetPeriod::Day => format!("{subject}:day:{}", span.start.format("%Y-%m-%d")),
        BudgetPeriod::Month => format!("{subject}:month:{}", span.start.format("%Y-%m")),
        BudgetPeriod::Total => format!("{subject}:total"),
    };
    Charge { window, period_start: span.start, limit: budget.amount }
}

fn state(budget: Budget, from_role: bool, standing: Standing, now: Timestamp) -> BudgetState {
    let Standing { spent, held } = standing;
    let resets_at = Span::of(budget.period, now).end;
    BudgetState { budget, from_role, spent, held, available: left(budget.amount, standing), resets_at }
}

fn left(limit: Credits, standing: Standing) -> Credits {
    Credits::from_micro((limit.micro() - standing.spent.micro() - standing.held.micro()).max(0))
}

/// A period around a moment.
struct Span {
    start: Timestamp,
    end: Option<Timestamp>,
}

impl Span {
    fn of(period: BudgetPeriod, at: Timestamp) -> Self {
        let midnight = |date: NaiveDate| date.and_time(chrono::NaiveTime::MIN).and_utc();
        let today = at.date_naive();
        let first = today.with_day(1).unwrap_or(today);
        match period {
            BudgetPeriod::Day => {
                Self { start: midnight(today), end: today.checked_add_days(Days::new(1)).map(midnight) }
            }
            BudgetPeriod::Month => {
                Self { start: midnight(first), end: first.checked_add_months(Months::new(1)).map(midnight) }
            }
            BudgetPeriod::Total => Self { start: chrono::DateTime::UNIX_EPOCH, end: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use hub_types::Clock;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Clock::fixed_at(text).now()
    }

    #[test]
    fn days_and_months_begin_at_midnight_utc() {
        let line = ApiKeyId(uuid::Uuid::nil());
        let window = |period, at| of_line(line, Budget { amount: Credits::whole(1), period }, at).window;
        let late = at("2026-12-31T23:59:59.999999Z");
        assert!(window(BudgetPeriod::Day, late).ends_with(":day:2026-12-31"));
        assert!(window(BudgetPeriod::Month, late).ends_with(":month:2026-12"));
        assert!(window(BudgetPeriod::Total, late).ends_with(":total"));
        assert_eq!(Span::of(BudgetPeriod::Day, late).end, Some(at("2027-01-01T00:00:00Z")));
        assert_eq!(Span::of(BudgetPeriod::Month, late).end, Some(at("2027-01-01T00:00:00Z")));
        assert_eq!(Span::of(BudgetPeriod::Month, at("2028-01-31T10:00:00Z")).end, Some(at("2028-02-01T00:00:00Z")));
    }

    #[test]
    fn a_users_own_budget_takes_the_place_of_the_roles_in_the_same_period() {
        let role = RoleLimits {
            credits_per_day: Credits::whole(5),
            credits_per_month: Credits::whole(50),
            ..RoleLimits::default()
        };
        let own = [Budget { amount: Credits::whole(9), period: BudgetPeriod::Day }];
        let found = in_force(&own, &role);
        assert_eq!(
            found,
            [(own[0], false), (Budget { amount: Credits::whole(50), period: BudgetPeriod::Month }, true)]
        );
        assert_eq!(in_force(&[], &RoleLimits::default()), []);
    }

    #[test]
    fn a_refusal_tells_which_budget_and_when_it_begins_again() {
        let budget = Budget { amount: Credits::whole(3), period: BudgetPeriod::Month };
        let charge = of_user(UserId(uuid::Uuid::nil()), budget, at("2026-11-23T10:00:00Z"));
        let standing = Standing { spent: Credits::whole(2), held: Credits::whole(4) };
        let now = at("2026-11-30T23:59:00Z");
        let short = BudgetShort::of(&charge, standing, Credits::whole(1), now);
        assert_eq!((short.missing(), short.retry_after), (Credits::whole(1), Some(CALLS_END)));
        let retry = |spent, needed| {
            let standing = Standing { spent: Credits::whole(spent), held: Credits::ZERO };
            BudgetShort::of(&charge, standing, Credits::whole(needed), now).retry_after
        };
        assert_eq!(retry(2, 2), Some(Duration::from_mins(1)), "the next month begins");
        assert_eq!(retry(0, 4), None, "no month is large enough");
        assert_eq!((short.scope, short.period, short.available()), ("user", "month", Credits::ZERO));
        assert_eq!(short.resets_at, Some(at("2026-12-01T00:00:00Z")));
    }
}
