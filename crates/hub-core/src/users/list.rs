//! `GET /api/users`: who has an account, newest first.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::users::{self, Standing};
use hub_types::UserId;
use hub_web::{ApiError, Authenticated, Cursor, Json, Page, PageQuery, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::UserView;
use crate::errors;

/// Which accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsersQuery {
    /// Stands in the address or the name; case does not matter.
    q: Option<String>,
    /// Holds the role of this name.
    role: Option<String>,
    /// `active`, `disabled`, `deleted` or `all`; without it all that are not deleted.
    #[param(value_type = Option<String>)]
    status: Option<Wanted>,
    /// Mailbox proven or not.
    verified: Option<bool>,
}

/// How accounts stand.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    Active,
    Disabled,
    Deleted,
    All,
}

impl From<UsersQuery> for users::Query {
    fn from(query: UsersQuery) -> Self {
        let standing = match query.status {
            None => Standing::Present,
            Some(Wanted::Active) => Standing::Active,
            Some(Wanted::Disabled) => Standing::Disabled,
            Some(Wanted::Deleted) => Standing::Deleted,
            Some(Wanted::All) => Standing::All,
        };
        Self { text: query.q, role: query.role, standing, verified: query.verified }
    }
}

/// A page of accounts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsersView {
    /// The accounts, newest first.
    users: Vec<UserView>,
    /// Accounts that fit in all.
    total: i64,
    /// True when older ones follow.
    has_more: bool,
    /// Where they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// Accounts; needs `users:read`. A page that follows by cursor neither repeats nor skips one while accounts are added.
#[utoipa::path(get, path = "/api/users", tag = "users", operation_id = "list_users", params(PageQuery, UsersQuery),
    responses((status = 200, body = UsersView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
    Query(query): Query<UsersQuery>,
) -> Result<Json<UsersView>, ApiError> {
    if page.offset.is_some() {
        return Err(ApiError::validation("offset", "is not supported here; use cursor"));
    }
    let (before, limit) = (page.after::<UserId>()?, i64::from(page.limit) + 1);
    let (rows, total) = users::list(&hub, &caller, query.into(), before, limit).await.map_err(errors::rights)?;
    let cut = Page::cut(rows, page.limit, |user| user.id)?;
    let users = cut.items.into_iter().map(UserView::from).collect();
    Ok(Json(UsersView { users, total, has_more: cut.has_more, next_cursor: cut.next_cursor }))
}
