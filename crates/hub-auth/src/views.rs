//! What clients see of tokens and accounts.

use hub_domain::sessions::{Tokens, UserView};
use hub_types::{Email, UserId};
use serde::Serialize;
use utoipa::ToSchema;

/// One sentence for the person who reads it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageBody {
    /// The sentence.
    pub(crate) message: &'static str,
}

/// The signed-in account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuthUser)]
pub(crate) struct UserBody {
    /// The account.
    id: UserId,
    /// Its address.
    email: Email,
    /// Display name, may be empty.
    name: String,
    /// Names of all roles, mightiest first.
    roles: Vec<String>,
    /// Names of everything this credential may do.
    permissions: Vec<String>,
    /// True when the address was proven.
    verified: bool,
}

impl From<UserView> for UserBody {
    fn from(user: UserView) -> Self {
        let UserView { id, email, name, roles, permissions, verified } = user;
        Self { id, email, name, roles, permissions, verified }
    }
}

/// A signed-in session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuthTokens)]
pub(crate) struct TokensBody {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// For the next refresh; works once. Absent where it is in the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds the access token lives.
    expires_in: i64,
    /// Who is signed in.
    user: UserBody,
}

impl TokensBody {
    /// With the refresh token in the body, or without it for a browser that has it in a cookie.
    pub(crate) fn new(tokens: Tokens, in_body: bool) -> Self {
        Self {
            access_token: tokens.access_token,
            refresh_token: in_body.then_some(tokens.refresh_token),
            token_type: "Bearer",
            expires_in: tokens.expires_in,
            user: tokens.user.into(),
        }
    }
}
