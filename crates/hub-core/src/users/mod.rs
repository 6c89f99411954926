//! `/api/users`: accounts, for those who look after them, and one's own. One file per endpoint.

mod change_email;
mod create;
mod delete;
mod get;
mod impersonate;
mod invitations;
mod limits;
mod list;
mod me;
mod reset_password;
mod restore;
mod roles;
mod update;
mod update_me;

use std::sync::Arc;

use hub_domain::Hub;
use hub_domain::users::{Account, UserStatus};
use hub_types::{Email, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(create::create))
        .routes(routes!(me::me))
        .routes(routes!(update_me::update_me))
        .routes(routes!(get::get))
        .routes(routes!(update::update))
        .routes(routes!(delete::delete))
        .routes(routes!(restore::restore))
        .routes(routes!(limits::get, limits::set))
        .routes(routes!(impersonate::impersonate))
        .routes(routes!(change_email::change_email))
        .routes(routes!(reset_password::reset_password))
        .merge(invitations::router())
        .merge(roles::router())
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = UserStatus)]
pub(crate) enum StatusView {
    /// In use.
    Active,
    /// Switched off: nothing it holds works.
    Disabled,
}

impl From<UserStatus> for StatusView {
    fn from(status: UserStatus) -> Self {
        match status {
            UserStatus::Active => Self::Active,
            UserStatus::Disabled => Self::Disabled,
        }
    }
}

impl From<StatusView> for UserStatus {
    fn from(status: StatusView) -> Self {
        match status {
            StatusView::Active => Self::Active,
            StatusView::Disabled => Self::Disabled,
        }
    }
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub(crate) struct UserView {
    /// Its id.
    id: UserId,
    /// Its address.
    email: Email,
    /// Display name, may be empty.
    name: String,
    /// True when the mailbox was proven, or somebody vouched for it.
    verified: bool,
    /// Whether it may be used.
    status: StatusView,
    /// Names of its roles, mightiest first.
    roles: Vec<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Last sign-in with a password or a provider.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_login_at: Option<Timestamp>,
    /// When it was deleted, if it was.
    #[schema(value_type = Option<String>, format = DateTime)]
    deleted_at: Option<Timestamp>,
}

impl From<Account> for UserView {
    fn from(user: Account) -> Self {
        Self {
            id: user.id,
            email: user.email,
            name: user.name,
            verified: user.verified,
            status: user.status.into(),
            roles: user.roles,
            created_at: user.created_at,
            last_login_at: user.last_login_at,
            deleted_at: user.deleted_at,
        }
    }
}
