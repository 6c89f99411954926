//! The first administrator of an embedded hub: made when nobody can administer it, with a password and a key that are shown once.

use std::fmt;

use anyhow::{Context, Result};
use hub_domain::credits::{self, Grant};
use hub_domain::keys::{self, NewKey};
use hub_domain::{Hub, Origin, access, identity};
use hub_types::{Caller, Credits, Email, SystemRole};

/// The first administrator's address.
pub const ADMIN: &str = "admin@localhost";
/// What the first administrator starts with, so that a first chat works.
const CREDITS: i32 = 1000;
/// Whom the audit log names for what happens on the command line.
const OPERATOR: &str = "operator@localhost";

/// The first administrator, with what is shown once.
#[derive(Clone)]
pub struct FirstAdmin {
    /// The address to sign in with.
    pub email: Email,
    /// Its password.
    pub password: String,
    /// Its API key.
    pub key: String,
    /// Its credits.
    pub credits: Credits,
}

impl fmt::Debug for FirstAdmin {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstAdmin").field("email", &self.email).finish_non_exhaustive()
    }
}

/// The caller that stands for the command line.
pub fn operator() -> Result<Caller> {
    Ok(access::operator(OPERATOR.parse()?))
}

/// Makes the first administrator, unless there is one.
pub async fn first_admin(hub: &Hub) -> Result<Option<FirstAdmin>> {
    if identity::has_admin(hub).await? {
        return Ok(None);
    }
    let (operator, email): (Caller, Email) = (operator()?, ADMIN.parse()?);
    let role = SystemRole::Admin.name();
    let made = identity::admin_create_user(hub, &operator, &email, None, role, "Administrator").await;
    let made = made.context("the first administrator cannot be made")?;
    let key = NewKey { name: "first key".to_owned(), ..NewKey::default() };
    let key = keys::create_for(hub, &operator, made.user, key).await?.key;
    let amount = Credits::whole(CREDITS);
    let grant =
        Grant { user: made.user, amount, reason: "First start".to_owned(), key: Some("first-start".to_owned()) };
    credits::grant(hub, &operator, &Origin::default(), grant).await?;
    Ok(Some(FirstAdmin { email, password: made.password.unwrap_or_default(), key, credits: amount }))
}
