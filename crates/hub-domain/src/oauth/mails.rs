//! The mails of sign-in with a provider, each queued in the transaction of the change it tells about.

use hub_store::{StoreError, Tx};
use hub_types::Email;

use crate::Hub;
use crate::identity::mails::{Letter, send};

/// A further way to sign in was tied to the account.
pub(super) async fn linked(hub: &Hub, tx: &mut Tx, to: &Email, provider: &str) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let letter = Letter {
        subject: format!("A new way to sign in to {product}"),
        paragraphs: vec![
            format!("From now on your account at {product} can also be opened with an account at {provider}."),
            "If it was not you, sign in, remove it in your account settings, and sign out all devices:".to_owned(),
        ],
        link: Some(format!("{}/login", hub.settings.identity.public_url)),
        dedupe_key: None,
        to,
    };
    send(hub, tx, letter).await
}

/// A way to sign in was untied from the account.
pub(super) async fn unlinked(hub: &Hub, tx: &mut Tx, to: &Email, provider: &str) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let letter = Letter {
        subject: format!("A way to sign in to {product} was removed"),
        paragraphs: vec![
            format!("Your account at {product} can no longer be opened with an account at {provider}."),
            "If it was not you, choose a new password and sign out all devices:".to_owned(),
        ],
        link: Some(format!("{}/forgot-password", hub.settings.identity.public_url)),
        dedupe_key: None,
        to,
    };
    send(hub, tx, letter).await
}

/// Somebody came with this address from a provider that does not vouch for it; at most one such mail per hour.
pub(super) async fn link_yourself(hub: &Hub, tx: &mut Tx, to: &Email, provider: &str) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let hour = hub.clock.now().timestamp() / 3600;
    let letter = Letter {
        subject: format!("Signing in to {product} with {provider}"),
        paragraphs: vec![
            format!(
                "Somebody, hopefully you, tried to sign in to {product} with an account at {provider} that names this address. \
                 {provider} does not prove whose address it is, so nobody was signed in."
            ),
            format!("If it was you, sign in the way you always do and link {provider} in your account settings:"),
            "If it was not you, there is nothing to do.".to_owned(),
        ],
        link: Some(format!("{}/login", hub.settings.identity.public_url)),
        dedupe_key: Some(format!("link-yourself:{provider}:{to}:{hour}")),
        to,
    };
    send(hub, tx, letter).await
}

/// The code for a device that waits.
pub(super) async fn device_code(hub: &Hub, tx: &mut Tx, to: &Email, code: &str) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let letter = Letter {
        subject: format!("Your sign-in code for {product}"),
        paragraphs: vec![
            format!("Type this code into the program that you yourself are signing in to {product}, within 10 minutes:"),
            code.to_owned(),
            "Never give it to anybody and never type it anywhere else. If you are not signing in anywhere, do nothing: without the \
             code nobody gets in."
                .to_owned(),
        ],
        link: None,
        dedupe_key: None,
        to,
    };
    send(hub, tx, letter).await
}
