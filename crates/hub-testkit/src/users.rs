//! People and programs of a test, made by the rules.

use hub::first_start::operator;
use hub_domain::Origin;
use hub_domain::credits::{self, Grant};
use hub_domain::identity::{self, Login};
use hub_domain::keys::{self, NewKey};
use hub_types::{Credits, Email, SystemRole, UserId};

use crate::TestHub;

/// A password that the policy takes; the same for everybody.
const PASSWORD: &str = "seven grey herons stand in the reeds";

/// Somebody with an account, signed in, with a key.
#[derive(Debug, Clone)]
pub struct TestUser {
    /// The account.
    pub id: UserId,
    /// Its address: `name@example.com`.
    pub email: Email,
    /// Its password.
    pub password: String,
    /// An access token; it lives 15 minutes of the hub's clock, see [`TestHub::sign_in`].
    pub access_token: String,
    /// The refresh token of the same session.
    pub refresh_token: String,
    /// An API key with all that a key may have.
    pub api_key: String,
}

/// What a new member is like.
#[derive(Debug, Clone, Copy)]
pub struct NewMember<'a> {
    /// The name, which becomes the address.
    pub name: &'a str,
    /// The role.
    pub role: &'a str,
    /// What the account starts with.
    pub credits: Credits,
}

impl TestHub {
    /// A member with 100 credits.
    pub async fn user(&self, name: &str) -> TestUser {
        self.member(NewMember { name, role: SystemRole::User.name(), credits: Credits::whole(100) }).await
    }

    /// A member with this many credits.
    pub async fn user_with_credits(&self, name: &str, credits: Credits) -> TestUser {
        self.member(NewMember { name, role: SystemRole::User.name(), credits }).await
    }

    /// A manager with 100 credits, `manager@example.com`.
    pub async fn manager(&self) -> TestUser {
        let role = SystemRole::Manager.name();
        self.member(NewMember { name: "manager", role, credits: Credits::whole(100) }).await
    }

    /// An administrator with 100 credits, `admin@example.com`.
    pub async fn admin(&self) -> TestUser {
        let role = SystemRole::Admin.name();
        self.member(NewMember { name: "admin", role, credits: Credits::whole(100) }).await
    }

    /// Anybody.
    pub async fn member(&self, new: NewMember<'_>) -> TestUser {
        let operator = operator().expect("the operator");
        let email: Email = format!("{}@example.com", new.name).parse().expect("a name");
        let made = identity::admin_create_user(&self.hub, &operator, &email, Some(PASSWORD), new.role, new.name).await;
        let id = made.expect("the account is made").user;
        if new.credits.is_positive() {
            self.grant(id, new.credits).await;
        }
        let key = NewKey { name: "test".to_owned(), ..NewKey::default() };
        let key = keys::create_for(&self.hub, &operator, id, key).await.expect("the key is made");
        let mut user = TestUser {
            id,
            email,
            password: PASSWORD.to_owned(),
            access_token: String::new(),
            refresh_token: String::new(),
            api_key: key.key,
        };
        self.sign_in(&mut user).await;
        user
    }

    /// Signs in anew, on another device.
    pub async fn sign_in(&self, user: &mut TestUser) {
        let login = Login { email: user.email.clone(), password: user.password.clone(), totp: None };
        let tokens = identity::login(&self.hub, &Origin::default(), login).await.expect("the password is right");
        user.access_token = tokens.access_token;
        user.refresh_token = tokens.refresh_token;
    }

    /// Gives credits.
    pub async fn grant(&self, user: UserId, amount: Credits) {
        let grant = Grant { user, amount, reason: "test".to_owned(), key: None };
        let operator = operator().expect("the operator");
        credits::grant(&self.hub, &operator, &Origin::default(), grant).await.expect("credits are granted");
    }
}
