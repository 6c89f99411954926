//! The mails that tell an owner what those above did to the account. They follow the rules of `identity::mails`.

use hub_store::{StoreError, Tx};
use hub_types::Email;

use crate::Hub;
use crate::identity::mails::{Letter, send};

/// Tells that the account was switched off.
pub(super) async fn disabled(hub: &Hub, tx: &mut Tx, to: &Email) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let text = "An administrator switched your account off. All devices were signed out, and API keys do not work until it is \
                switched on again.";
    tell(hub, tx, to, format!("Your account at {product} was switched off"), text).await
}

/// Tells that the account was switched on again.
pub(super) async fn enabled(hub: &Hub, tx: &mut Tx, to: &Email) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let text = "An administrator switched your account on again. Sign in as before; API keys work again.";
    tell(hub, tx, to, format!("Your account at {product} was switched on"), text).await
}

/// Tells that the account was deleted.
pub(super) async fn deleted(hub: &Hub, tx: &mut Tx, to: &Email) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let text = "An administrator deleted your account. All devices were signed out, and API keys no longer work.";
    tell(hub, tx, to, format!("Your account at {product} was deleted"), text).await
}

/// Tells that the deletion was taken back.
pub(super) async fn restored(hub: &Hub, tx: &mut Tx, to: &Email) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let text = "An administrator restored your account. Sign in as before; API keys work again.";
    tell(hub, tx, to, format!("Your account at {product} was restored"), text).await
}

/// Tells that a role was given. Names of roles are plain words; nobody else's text stands in the mail.
pub(crate) async fn role_granted(hub: &Hub, tx: &mut Tx, to: &Email, role: &str) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let text = format!("An administrator gave your account the role {role}. All devices get it at their next request.");
    tell(hub, tx, to, format!("Your account at {product} has the role {role}"), &text).await
}

/// Tells that a role was taken.
pub(crate) async fn role_revoked(hub: &Hub, tx: &mut Tx, to: &Email, role: &str) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let text =
        format!("An administrator took the role {role} from your account. What only it permitted no longer works.");
    tell(hub, tx, to, format!("Your account at {product} no longer has the role {role}"), &text).await
}

async fn tell(hub: &Hub, tx: &mut Tx, to: &Email, subject: String, text: &str) -> Result<(), StoreError> {
    let wrong = "If you think that this is a mistake, write to the people who run this hub.";
    let paragraphs = vec![text.to_owned(), wrong.to_owned()];
    send(hub, tx, Letter { subject, paragraphs, link: None, dedupe_key: None, to }).await
}
