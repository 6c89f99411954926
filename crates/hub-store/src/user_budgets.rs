//! What an administrator lets one user spend per period. What was spent of it is in `budgets`.

use hub_types::{Budget, BudgetPeriod, Credits, Timestamp, UserId};

use crate::{Result, StoreError, Tx};

statements! {
    OF = "SELECT amount, period FROM user_budgets WHERE user_id = $1 ORDER BY period";
    PUT = "INSERT INTO user_budgets (user_id, period, amount, updated_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (user_id, period) DO UPDATE SET amount = excluded.amount, updated_at = excluded.updated_at";
    CLEAR = "DELETE FROM user_budgets WHERE user_id = $1";
}

/// The user's budgets, at most one per period.
pub async fn of(tx: &mut Tx, user: UserId) -> Result<Vec<Budget>> {
    let rows: Vec<(i64, String)> = run!(tx, rows, OF, user.0)?;
    rows.into_iter().map(|(amount, period)| budget(amount, &period)).collect()
}

/// Replaces the user's budgets.
pub async fn replace(tx: &mut Tx, user: UserId, budgets: &[Budget], now: Timestamp) -> Result<()> {
    run!(tx, execute, CLEAR, user.0)?;
    for budget in budgets {
        run!(tx, execute, PUT, user.0, budget.period.as_str(), budget.amount.micro(), now)?;
    }
    Ok(())
}

/// A budget from its two columns.
pub(crate) fn budget(amount: i64, period: &str) -> Result<Budget> {
    let period = BudgetPeriod::from_name(period).ok_or(StoreError::Corrupt("the period of a budget"))?;
    Ok(Budget { amount: Credits::from_micro(amount), period })
}
