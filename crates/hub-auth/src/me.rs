//! `GET /api/auth/me`: who is behind this credential, with the rights as they are now.

use hub_domain::sessions::UserView;
use hub_web::{Authenticated, Json};

use crate::views::UserBody;

/// The account behind the credential. With an API key the permissions are those of the key.
#[utoipa::path(get, path = "/api/auth/me", tag = "auth", responses((status = 200, body = UserBody)))]
pub(crate) async fn me(Authenticated(caller): Authenticated) -> Json<UserBody> {
    Json(UserView::from(&caller).into())
}
