//! `GET` and `PUT /api/credits/budgets/{userId}`: what a user may spend per period.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::credits::{self, BudgetState};
use hub_domain::Hub;
use hub_types::{Budget, UserId};
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::errors;
use crate::keys::BudgetView;

/// The budgets of a user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserBudgetsView {
    /// Whose.
    user_id: UserId,
    /// Those in force, at most one per period. All of them apply together, and beside them the budget of the key in use.
    budgets: Vec<UserBudgetView>,
}

/// One budget of a user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserBudgetView {
    /// `user` when it was set for this user, `role` when it is that of the user's highest role.
    source: &'static str,
    /// The numbers.
    #[serde(flatten)]
    budget: BudgetView,
}

/// The budgets to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SetBudgetsBody {
    /// At most one per period, each in place of the role's; an empty list leaves the user to the role. 0 credits let nothing through.
    #[schema(max_items = 3)]
    budgets: Vec<Budget>,
}

/// What a user may spend, and how that stands: one's own, or anybody's with `credits:read_any`.
#[utoipa::path(get, path = "/api/credits/budgets/{userId}", tag = "credits", operation_id = "get_budgets",
    params(("userId" = UserId, Path, description = "The user.")), responses((status = 200, body = UserBudgetsView)))]
pub(crate) async fn get(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(user): Path<UserId>,
) -> Result<Json<UserBudgetsView>, ApiError> {
    let budgets = credits::budgets_of(&hub, &caller, user).await.map_err(errors::credits)?;
    Ok(Json(view(user, budgets)))
}

/// Sets what a user may spend on calls per period; needs `users:update`. Acts within two seconds; what was spent in the current period
/// still counts. Direct deductions by an administrator do not count.
#[utoipa::path(put, path = "/api/credits/budgets/{userId}", tag = "credits", operation_id = "set_budgets", request_body = SetBudgetsBody,
    params(("userId" = UserId, Path, description = "The user.")), responses((status = 200, body = UserBudgetsView)))]
pub(crate) async fn set(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(user): Path<UserId>,
    Json(body): Json<SetBudgetsBody>,
) -> Result<Json<UserBudgetsView>, ApiError> {
    let budgets =
        credits::set_budgets(&hub, &caller, &origin, user, body.budgets).await.map_err(errors::credits)?;
    Ok(Json(view(user, budgets)))
}

fn view(user_id: UserId, budgets: Vec<BudgetState>) -> UserBudgetsView {
    let one = |state: BudgetState| UserBudgetView {
        source: if state.from_role { "role" } else { "user" },
        budget: state.into(),
    };
    UserBudgetsView { user_id, budgets: budgets.into_iter().map(one).collect() }
}
