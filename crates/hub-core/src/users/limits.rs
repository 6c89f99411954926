//! `GET` and `PUT /api/users/{id}/limits`: what one user may ask and use at a time.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::limits::{self, LimitState};
use hub_types::{UserId, UserLimits};
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors;

/// The limits of a user. Beside them stand those of the key in use, and budgets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserLimitsView {
    /// Whose.
    user_id: UserId,
    /// Requests in any 60 seconds, of any kind.
    requests_per_minute: LimitView,
    /// Tokens of model calls in any 60 seconds, prompt and answer.
    tokens_per_minute: LimitView,
    /// Model calls at the same time.
    concurrent_calls: LimitView,
}

/// One limit in force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitView {
    /// The number; 0 means no limit.
    limit: u32,
    /// `user` when it was set for this user, `role` when it is that of the user's highest role.
    source: &'static str,
}

/// What a user may ask and use at a time: one's own, or anybody's with `users:read`.
#[utoipa::path(get, path = "/api/users/{id}/limits", tag = "users", operation_id = "get_user_limits",
    params(("id" = UserId, Path, description = "The account.")), responses((status = 200, body = UserLimitsView)))]
pub(crate) async fn get(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<UserId>,
) -> Result<Json<UserLimitsView>, ApiError> {
    let state = limits::of_user(&hub, &caller, id).await.map_err(errors::rights)?;
    Ok(Json(view(id, state)))
}

/// Sets what a user may ask and use at a time, in place of what the role may; needs `users:update`. What is missing or `null` is left to the
/// role, 0 lifts the limit. Acts within two seconds; what was counted before still counts. Nobody sets the limits of somebody above or,
/// unless administrator, beside them.
#[utoipa::path(put, path = "/api/users/{id}/limits", tag = "users", operation_id = "set_user_limits", request_body = UserLimits,
    params(("id" = UserId, Path, description = "The account.")), responses((status = 200, body = UserLimitsView)))]
pub(crate) async fn set(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<UserId>,
    Json(body): Json<UserLimits>,
) -> Result<Json<UserLimitsView>, ApiError> {
    let state = limits::set_of_user(&hub, &caller, &origin, id, body).await.map_err(errors::rights)?;
    Ok(Json(view(id, state)))
}

fn view(user_id: UserId, LimitState { own, role }: LimitState) -> UserLimitsView {
    let one = |own: Option<u32>, role: Option<u32>| match own {
        Some(limit) => LimitView { limit, source: "user" },
        None => LimitView { limit: role.unwrap_or(0), source: "role" },
    };
    UserLimitsView {
        user_id,
        requests_per_minute: one(own.requests_per_minute, role.requests_per_minute),
        tokens_per_minute: one(own.tokens_per_minute, role.tokens_per_minute),
        concurrent_calls: one(own.concurrent_calls, role.concurrent_calls),
    }
}
