//! Budgets and the limits of a key: numbers that a person sets and every paid call is measured against.

use serde::{Deserialize, Serialize};

use crate::{ApiKeyId, Credits};

/// The span a budget is for. Days and months are those of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BudgetPeriod {
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the next.
    Month,
    /// For ever; never starts again.
    Total,
}

impl BudgetPeriod {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Total];

    /// The word in database and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// The period of that word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.as_str() == name)
    }
}

/// What may be spent in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budget {
    /// Credits; above zero for keys, zero or more for users (zero lets nothing through).
    pub amount: Credits,
    /// In which span.
    pub period: BudgetPeriod,
}

/// The limits an owner puts on a key. They belong to its line: a rotated key and its successor share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyLimits {
    /// What the line may spend.
    pub budget: Option<Budget>,
    /// Requests in any 60 seconds, of any kind.
    pub requests_per_minute: Option<u32>,
    /// Tokens of model calls in any 60 seconds, prompt and answer.
    pub tokens_per_minute: Option<u32>,
    /// Model calls at the same time.
    pub concurrent_calls: Option<u32>,
}

/// The limits an administrator sets for one user. `None` leaves it to the role, 0 lifts the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UserLimits {
    /// Requests in any 60 seconds, of any kind.
    #[schema(maximum = 1_000_000_000)]
    pub requests_per_minute: Option<u32>,
    /// Tokens of model calls in any 60 seconds, prompt and answer.
    #[schema(maximum = 1_000_000_000)]
    pub tokens_per_minute: Option<u32>,
    /// Model calls at the same time.
    #[schema(maximum = 1_000_000_000)]
    pub concurrent_calls: Option<u32>,
}

/// The line a key belongs to, and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLine {
    /// The id of the first key of the line.
    pub id: ApiKeyId,
    /// What the owner allows the line.
    pub limits: KeyLimits,
}
