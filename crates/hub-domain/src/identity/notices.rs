//! The mails that tell an owner what happened to the account: password, address, second factor. They follow the rules of `mails`.

use hub_store::{StoreError, Tx};
use hub_types::{Email, Timestamp};

use super::mails::{Letter, page, send};
use crate::Hub;

/// Tells that the password was changed by somebody signed in.
pub(super) async fn password_changed_here(hub: &Hub, tx: &mut Tx, to: &Email) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    tell(
        hub,
        tx,
        to,
        format!("Your password at {product} was changed"),
        [
            "Your password was changed, and all other devices were signed out. API keys still work.".to_owned(),
            "If it was not you, ask for a new password at once, and take back API keys that you do not know:"
                .to_owned(),
        ],
        forgot(hub),
    )
    .await
}

/// Asks the address in force whether it agrees to another one.
pub(super) async fn change_of_address(
    hub: &Hub,
    tx: &mut Tx,
    to: &Email,
    new: &Email,
    secret: &str,
) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    tell(
        hub,
        tx,
        to,
        format!("Another address for your account at {product}?"),
        [
            format!(
                "Somebody who knows your password asked to change the address of your account at {product} to {new}. \
                 To agree, open this page within an hour and confirm:"
            ),
            "Then a second mail goes to the new address; until it is confirmed there, nothing changes.".to_owned(),
            "If it was not you, do not confirm, and choose a new password: somebody knows the one you have.".to_owned(),
        ],
        page(hub, "change-email", secret),
    )
    .await
}

/// Asks the new address to prove itself.
pub(super) async fn prove_new_address(hub: &Hub, tx: &mut Tx, to: &Email, secret: &str) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    tell(hub, tx, to, format!("Confirm your new address for {product}"), [
            format!(
                "Somebody, hopefully you, wants to use this address for an account at {product}. To finish, open this page \
                 within an hour and confirm:"
            ),
            "If it was not you, do nothing.".to_owned(),
        ], page(hub, "change-email", secret)).await
}

/// Tells the old address that it is no longer in force, and how to take that back.
pub(super) async fn address_changed(
    hub: &Hub,
    tx: &mut Tx,
    to: &Email,
    new: &Email,
    secret: &str,
) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    tell(
        hub,
        tx,
        to,
        format!("The address of your account at {product} was changed"),
        [
            format!("Your account at {product} has the address {new} now. Mail of the hub no longer comes here."),
            "If it was not you, take it back here within 7 days; all devices are signed out then:".to_owned(),
        ],
        page(hub, "revert-email", secret),
    )
    .await
}

/// Tells the old address that an administrator gave the account another one, and how to take that back.
pub(super) async fn address_set(
    hub: &Hub,
    tx: &mut Tx,
    to: &Email,
    new: &Email,
    secret: &str,
) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    tell(hub, tx, to, format!("The address of your account at {product} was changed"), [
            format!(
                "An administrator gave your account at {product} the address {new}. Mail of the hub no longer comes here."
            ),
            "If that is wrong, take it back here within 7 days; all devices are signed out then:".to_owned(),
        ], page(hub, "revert-email", secret)).await
}

/// Tells the new address that an account has it now.
pub(super) async fn address_is_yours(hub: &Hub, tx: &mut Tx, to: &Email) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    tell(
        hub,
        tx,
        to,
        format!("This is the address of your account at {product} now"),
        [
            format!("An administrator gave your account at {product} this address. Sign in with it from now on."),
            "If you have no account there, write to the people who run this hub.".to_owned(),
        ],
        format!("{}/login", hub.settings.identity.public_url),
    )
    .await
}

/// Tells that a change of address was taken back.
pub(super) async fn address_is_back(hub: &Hub, tx: &mut Tx, to: &Email) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    tell(
        hub,
        tx,
        to,
        format!("Your account at {product} has this address again"),
        [
            "The change of address was taken back, and all devices were signed out. API keys still work.".to_owned(),
            "Whoever changed it knew your password. Choose a new one, and take back API keys that you do not know:"
                .to_owned(),
        ],
        forgot(hub),
    )
    .await
}

/// Tells that sign-in asks for a second factor now.
pub(super) async fn factor_on(hub: &Hub, tx: &mut Tx, to: &Email) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    tell(hub, tx, to, format!("A second factor protects your account at {product}"), [
            "From now on signing in asks for a code of your authenticator app. Keep the recovery codes where you find them without \
             the phone."
                .to_owned(),
            "If it was not you, ask for a new password at once and write to the operator:".to_owned(),
        ], forgot(hub)).await
}

/// Tells that sign-in no longer asks for a second factor.
pub(super) async fn factor_off(hub: &Hub, tx: &mut Tx, to: &Email) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    tell(
        hub,
        tx,
        to,
        format!("The second factor of your account at {product} was removed"),
        [
            "Signing in needs the password only. The recovery codes no longer work.".to_owned(),
            "If it was not you, choose a new password and set up a second factor again:".to_owned(),
        ],
        forgot(hub),
    )
    .await
}

/// Tells that a recovery code was used up.
pub(super) async fn recovery_code_used(hub: &Hub, tx: &mut Tx, to: &Email, left: i64) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    tell(
        hub,
        tx,
        to,
        format!("A recovery code of your account at {product} was used"),
        [
            format!("One of your recovery codes was used in place of the authenticator app; {left} are left."),
            "If it was not you, choose a new password at once:".to_owned(),
        ],
        forgot(hub),
    )
    .await
}

/// Tells that somebody with the password guesses at the second factor; at most one such mail per hour.
pub(super) async fn factor_guessed(hub: &Hub, tx: &mut Tx, to: &Email) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let hour = hub.clock.now().timestamp() / 3600;
    let letter = Letter {
        subject: format!("Somebody tries to sign in to your account at {product}"),
        paragraphs: vec![
            "Several wrong codes were entered after the right password, and sign-in is slowed down. The second factor holds."
                .to_owned(),
            "If it was not you, somebody knows your password. Choose a new one:".to_owned(),
        ],
        link: Some(forgot(hub)),
        dedupe_key: Some(format!("factor-guessed:{to}:{hour}")),
        to,
    };
    send(hub, tx, letter).await
}

/// Tells that an API key was made. `prefix` is the part of it that may be shown; its name is somebody's text and stays out.
pub(crate) async fn key_created(hub: &Hub, tx: &mut Tx, to: &Email, prefix: &str) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    tell(
        hub,
        tx,
        to,
        format!("A new API key for your account at {product}"),
        [
            format!(
                "The key that begins with {prefix} was made. Whoever has it can spend the credits of your account."
            ),
            "If it was not you, take the key back and choose a new password:".to_owned(),
        ],
        forgot(hub),
    )
    .await
}

/// Tells that a new API key takes the place of another, which works until `until`.
pub(crate) async fn key_rotated(
    hub: &Hub,
    tx: &mut Tx,
    to: &Email,
    (old, new): (&str, &str),
    until: Timestamp,
) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let until = until.format("%Y-%m-%d %H:%M UTC");
    tell(hub, tx, to, format!("An API key of your account at {product} was replaced"), [
            format!(
                "The key that begins with {new} takes the place of the one that begins with {old}. The old one works until {until} at the \
                 longest."
            ),
            "If it was not you, take both keys back and choose a new password:".to_owned(),
        ], forgot(hub)).await
}

/// Tells that an API key was taken back.
pub(crate) async fn key_revoked(hub: &Hub, tx: &mut Tx, to: &Email, prefix: &str) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    tell(
        hub,
        tx,
        to,
        format!("An API key of your account at {product} was taken back"),
        [
            format!("The key that begins with {prefix} no longer works."),
            "If it was not you, choose a new password:".to_owned(),
        ],
        forgot(hub),
    )
    .await
}

fn forgot(hub: &Hub) -> String {
    format!("{}/forgot-password", hub.settings.identity.public_url)
}

/// Sends one of these mails; `link` stands after the last paragraph that ends in a colon.
async fn tell<const N: usize>(
    hub: &Hub,
    tx: &mut Tx,
    to: &Email,
    subject: String,
    paragraphs: [String; N],
    link: String,
) -> Result<(), StoreError> {
    let letter = Letter { to, subject, paragraphs: Vec::from(paragraphs), link: Some(link), dedupe_key: None };
    send(hub, tx, letter).await
}
