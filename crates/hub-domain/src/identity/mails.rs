//! The mails of identity. Each is put into the job queue in the transaction of the change it tells about.
//!
//! A mail never repeats text that a stranger chose (a name, say): whoever registers somebody else's address must not be able to write
//! to them in our name. Links begin with the configured address, never with one from a request.

use hub_store::jobs::NewJob;
use hub_store::{StoreError, Tx, jobs};
use hub_types::{Email, JobId};
use serde_json::json;

use super::letter;
use crate::Hub;
use crate::audit::clean;
use crate::jobs::MAIL_SEND;

/// Attempts to hand a mail over, over about a day (see `jobs::pause`).
const ATTEMPTS: i32 = 30;

/// A mail to one person; `letter` gives it its two forms.
pub(crate) struct Letter<'a> {
    pub(crate) subject: String,
    /// One that ends in a colon is followed by the link.
    pub(crate) paragraphs: Vec<String>,
    pub(crate) link: Option<String>,
    /// Of mails with the same key only the first is sent.
    pub(crate) dedupe_key: Option<String>,
    pub(crate) to: &'a Email,
}

/// The code and the link that prove a mailbox.
pub(super) async fn registration(
    hub: &Hub,
    tx: &mut Tx,
    to: &Email,
    code: &str,
    secret: &str,
) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let letter = Letter {
        // No code here: subjects stand in previews, logs of mail servers and `Debug`.
        subject: format!("Confirm your address for {product}"),
        paragraphs: vec![
            format!(
                "Somebody, hopefully you, registered at {product} with this address. To finish, enter this code within 10 minutes:"
            ),
            code.to_owned(),
            "Or open this page within 24 hours and confirm:".to_owned(),
            "If it was not you, do nothing: without the code there will be no account. Never give the code to anybody."
                .to_owned(),
        ],
        link: Some(page(hub, "verify-email", secret)),
        dedupe_key: None,
        to,
    };
    send(hub, tx, letter).await
}

/// The link with which an invited person makes the account.
pub(crate) async fn invitation(hub: &Hub, tx: &mut Tx, to: &Email, secret: &str) -> Result<(), StoreError> {
    let (product, days) = (&hub.settings.identity.product, hub.settings.identity.invite_days);
    let letter = Letter {
        subject: format!("You are invited to {product}"),
        paragraphs: vec![
            format!(
                "An administrator of {product} invites you. To make your account, open this page within {days} days and choose a password:"
            ),
            "If you did not expect this, do nothing: without the link there will be no account.".to_owned(),
        ],
        link: Some(page(hub, "accept-invite", secret)),
        dedupe_key: None,
        to,
    };
    send(hub, tx, letter).await
}

/// Somebody registered with an address that has an account; at most one such mail per hour.
pub(super) async fn already_registered(hub: &Hub, tx: &mut Tx, to: &Email) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let hour = hub.clock.now().timestamp() / 3600;
    let letter = Letter {
        subject: format!("You have an account at {product}"),
        paragraphs: vec![
            format!(
                "Somebody, hopefully you, tried to register at {product} with this address. It has an account already."
            ),
            "If it was you, sign in; if you forgot your password, ask for a new one on the sign-in page:".to_owned(),
            "If it was not you, there is nothing to do.".to_owned(),
        ],
        link: Some(format!("{}/login", hub.settings.identity.public_url)),
        dedupe_key: Some(format!("already-registered:{to}:{hour}")),
        to,
    };
    send(hub, tx, letter).await
}

/// The link that allows one new password.
pub(super) async fn password_reset(hub: &Hub, tx: &mut Tx, to: &Email, secret: &str) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let letter = Letter {
        subject: format!("Choose a new password for {product}"),
        paragraphs: vec![
            format!(
                "Somebody, hopefully you, asked for a new password at {product}. Choose it here within 30 minutes:"
            ),
            "If it was not you, do nothing: your password stays as it is.".to_owned(),
        ],
        link: Some(page(hub, "reset-password", secret)),
        dedupe_key: None,
        to,
    };
    send(hub, tx, letter).await
}

/// The same link, at the wish of somebody who looks after the account.
pub(super) async fn password_reset_by_administrator(
    hub: &Hub,
    tx: &mut Tx,
    to: &Email,
    secret: &str,
) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let letter = Letter {
        subject: format!("Choose a new password for {product}"),
        paragraphs: vec![
            format!(
                "An administrator of {product} sends you this link to choose a new password. It works for 30 minutes:"
            ),
            "Until you use it your password stays as it is. No administrator ever asks you for a password.".to_owned(),
        ],
        link: Some(page(hub, "reset-password", secret)),
        dedupe_key: None,
        to,
    };
    send(hub, tx, letter).await
}

/// Tells that the password is another one now.
pub(super) async fn password_changed(hub: &Hub, tx: &mut Tx, to: &Email) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let letter = Letter {
        subject: format!("Your password at {product} was changed"),
        paragraphs: vec![
            "Your password was changed and all devices were signed out. API keys still work.".to_owned(),
            "If it was not you, ask for a new password at once, and take back API keys that you do not know:"
                .to_owned(),
        ],
        link: Some(format!("{}/forgot-password", hub.settings.identity.public_url)),
        dedupe_key: None,
        to,
    };
    send(hub, tx, letter).await
}

/// Tells that a session was ended because its refresh token was used twice.
pub(crate) async fn session_ended(hub: &Hub, tx: &mut Tx, to: &Email, device: &str) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let device: String = clean(device).chars().take(80).collect();
    let letter = Letter {
        subject: format!("A device was signed out of {product}"),
        paragraphs: vec![
            format!(
                "The credential of one of your sessions ({device}) was used a second time. This happens when it was copied, so the session was ended."
            ),
            "Sign in again. If you cannot explain it, choose a new password:".to_owned(),
        ],
        link: Some(format!("{}/forgot-password", hub.settings.identity.public_url)),
        dedupe_key: None,
        to,
    };
    send(hub, tx, letter).await
}

pub(super) fn page(hub: &Hub, name: &str, secret: &str) -> String {
    format!("{}/{name}?token={secret}", hub.settings.identity.public_url)
}

/// Queues a mail.
pub(crate) async fn send(hub: &Hub, tx: &mut Tx, letter: Letter<'_>) -> Result<(), StoreError> {
    let (text, html) = (letter::text(&letter), letter::html(&letter));
    let job = NewJob {
        id: JobId::new(&hub.clock),
        kind: MAIL_SEND,
        payload: json!({ "to": letter.to, "subject": letter.subject, "text": text, "html": html }),
        dedupe_key: letter.dedupe_key,
        run_at: hub.clock.now(),
        max_attempts: ATTEMPTS,
    };
    jobs::enqueue(tx, job).await.map(drop)
}
