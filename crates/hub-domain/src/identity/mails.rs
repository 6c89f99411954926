//! The mails of identity. Each is put into the job queue in the transaction of the change it tells about.
//!
//! A mail never repeats text that a stranger chose (a name, say): whoever registers somebody else's address must not be able to write
//! to them in our name. Links begin with the configured address, never with one from a request.

use hub_store::jobs::NewJob;
use hub_store::{StoreError, Tx, jobs};
use hub_types::{Email, JobId};
use serde_json::json;

use crate::Hub;
use crate::audit::clean;
use crate::jobs::MAIL_SEND;

/// Attempts to hand a mail over, over about a day.
const ATTEMPTS: i32 = 12;

/// A mail to one person, before it has an HTML form.
struct Letter<'a> {
    subject: String,
    paragraphs: Vec<String>,
    link: Option<String>,
    dedupe_key: Option<String>,
    to: &'a Email,
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

fn page(hub: &Hub, name: &str, secret: &str) -> String {
    format!("{}/{name}?token={secret}", hub.settings.identity.public_url)
}

async fn send(hub: &Hub, tx: &mut Tx, letter: Letter<'_>) -> Result<(), StoreError> {
    let (text, html) = (as_text(&letter), as_html(&letter));
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

/// The link stands before the last paragraph, which is what to do if it was somebody else.
fn as_text(letter: &Letter<'_>) -> String {
    let mut blocks = letter.paragraphs.clone();
    if let Some(link) = &letter.link {
        blocks.insert(link_place(&blocks), link.clone());
    }
    blocks.join("\n\n") + "\n"
}

fn as_html(letter: &Letter<'_>) -> String {
    let mut blocks: Vec<String> = letter.paragraphs.iter().map(|text| format!("<p>{}</p>", escape(text))).collect();
    if let Some(link) = &letter.link {
        let link = escape(link);
        blocks.insert(link_place(&blocks), format!("<p><a href=\"{link}\">{link}</a></p>"));
    }
    format!("<!doctype html><html><body>{}</body></html>", blocks.concat())
}

fn link_place(blocks: &[String]) -> usize {
    // After a paragraph that ends in a colon; else last.
    blocks.iter().rposition(|block| block.trim_end_matches("</p>").ends_with(':')).map_or(blocks.len(), |at| at + 1)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_follows_its_sentence_and_html_is_escaped() {
        let to: Email = "ada@example.com".parse().unwrap();
        let letter = Letter {
            subject: "s".to_owned(),
            paragraphs: vec!["Open <this>:".to_owned(), "Else do nothing.".to_owned()],
            link: Some("http://hub/x?a=1&b=2".to_owned()),
            dedupe_key: None,
            to: &to,
        };
        assert_eq!(as_text(&letter), "Open <this>:\n\nhttp://hub/x?a=1&b=2\n\nElse do nothing.\n");
        let html = as_html(&letter);
        assert!(html.contains("<p>Open &lt;this&gt;:</p><p><a href=\"http://hub/x?a=1&amp;b=2\">"), "{html}");
    }
}
