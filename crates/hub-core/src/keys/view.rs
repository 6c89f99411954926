//! What is shown of a key, in lists and alone. Never the key itself.

use std::collections::HashMap;

use hub_domain::credits::BudgetState;
use hub_domain::keys::ApiKey;
use hub_types::{ApiKeyId, BudgetPeriod, Credits, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// What is shown of a key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKey)]
pub(crate) struct KeyView {
    /// Its id.
    pub(super) id: ApiKeyId,
    /// What its owner calls it.
    name: String,
    /// The first characters of the key, to recognise it by.
    prefix: String,
    /// Permissions it is narrowed to; empty means all of the owner's that a key may have.
    scopes: Vec<String>,
    /// Models it may use; empty means all.
    models: Vec<String>,
    /// Networks it may be used from; empty means anywhere.
    addresses: Vec<String>,
    /// What its line may spend, and how that stands.
    budget: Option<BudgetView>,
    /// Requests of its line in any 60 seconds.
    requests_per_minute: Option<u32>,
    /// Tokens of its line in any 60 seconds, prompt and answer.
    tokens_per_minute: Option<u32>,
    /// Model calls of its line at the same time.
    concurrent_calls: Option<u32>,
    /// The id of the first key of its line. A rotated key and its successors are one line and share budget, limits, scopes, models and
    /// addresses.
    line: ApiKeyId,
    /// The key that took its place.
    replaced_by: Option<ApiKeyId>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it ends, if it does.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Last use, exact to about a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

/// A budget and how it stands in the current period.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BudgetState)]
pub(crate) struct BudgetView {
    /// What may be spent.
    amount: Credits,
    /// In which span: a day or month of UTC, or for ever.
    period: BudgetPeriod,
    /// Charged in this period.
    spent: Credits,
    /// Promised to calls that are running now.
    held: Credits,
    /// What could be spent now.
    available: Credits,
    /// When the next period begins; a total has none.
    #[schema(value_type = Option<String>, format = DateTime)]
    resets_at: Option<Timestamp>,
}

impl From<BudgetState> for BudgetView {
    fn from(state: BudgetState) -> Self {
        Self {
            amount: state.budget.amount,
            period: state.budget.period,
            spent: state.spent,
            held: state.held,
            available: state.available,
            resets_at: state.resets_at,
        }
    }
}

impl KeyView {
    /// A key, with the state of its line's budget out of `budgets`.
    pub(super) fn of(key: ApiKey, budgets: &HashMap<ApiKeyId, BudgetState>) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes,
            models: key.models,
            addresses: key.addresses,
            budget: budgets.get(&key.line).copied().map(BudgetView::from),
            requests_per_minute: key.limits.requests_per_minute,
            tokens_per_minute: key.limits.tokens_per_minute,
            concurrent_calls: key.limits.concurrent_calls,
            line: key.line,
            replaced_by: key.replaced_by,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}
