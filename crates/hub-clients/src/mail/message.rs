//! From a [`Mail`] to the bytes of an internet message (RFC 5322). Whatever could start a new header line is refused here,
//! for every outbox alike.

use std::time::SystemTime;

use hub_types::{Email, Timestamp, random_bytes};
use lettre::Address;
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use uuid::Uuid;

use super::{Mail, MailError};

/// Longest subject, in characters.
const SUBJECT_LIMIT: usize = 200;
/// Longest body of one kind, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// Whom mail is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The address.
    pub address: Email,
    /// The name shown beside it.
    pub name: Option<String>,
}

impl Sender {
    /// Checks that the sender can stand in a header.
    pub(super) fn mailbox(&self) -> Result<Mailbox, MailError> {
        if self.name.as_deref().is_some_and(|name| !is_one_line(name)) {
            return Err(MailError::Invalid("the sender's name is not one short line"));
        }
        Ok(Mailbox::new(self.name.clone(), address(&self.address)?))
    }
}

/// Refuses a mail that no outbox should take.
pub(super) fn check(mail: &Mail) -> Result<(), MailError> {
    if mail.subject.is_empty() || !is_one_line(&mail.subject) {
        return Err(MailError::Invalid("the subject is not one short line"));
    }
    if mail.text.len() > BODY_LIMIT || mail.html.as_ref().is_some_and(|html| html.len() > BODY_LIMIT) {
        return Err(MailError::Invalid("the text is too long"));
    }
    address(&mail.to).map(drop)
}

/// The message as bytes, lines ended by CR LF.
pub(super) fn render(from: &Mailbox, mail: Mail, id: Uuid, at: Timestamp) -> Result<Vec<u8>, MailError> {
    check(&mail)?;
    let builder = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, address(&mail.to)?))
        .subject(mail.subject)
        .date(SystemTime::from(at))
        .message_id(Some(format!("<{id}@{}>", from.email.domain())));
    let message = match mail.html {
        None => builder.singlepart(SinglePart::plain(mail.text)),
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(mail.text, html)),
    };
    message.map(|message| message.formatted()).map_err(|_| MailError::Invalid("a part does not fit the mail format"))
}

/// A new id for a message written at `at`: a UUID v7.
pub(super) fn new_id(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random_bytes::<10>()).into_uuid()
}

pub(super) fn address(email: &Email) -> Result<Address, MailError> {
    email.as_str().parse().map_err(|_| MailError::Invalid("the address does not fit the mail format"))
}

fn is_one_line(text: &str) -> bool {
    text.chars().count() <= SUBJECT_LIMIT
        && !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

#[cfg(test)]
mod tests {
    use hub_types::Clock;

    use super::*;

    fn rendered(subject: &str, html: Option<&str>) -> Result<String, MailError> {
        let sender = Sender { address: "hub@example.com".parse().unwrap(), name: Some("The Hub".to_owned()) };
        let mail = Mail {
            to: "ada@example.org".parse().unwrap(),
            subject: subject.to_owned(),
            text: "Your code is 123456.\n".to_owned(),
            html: html.map(str::to_owned),
        };
        let at = Clock::fixed_at("2026-11-23T10:00:00Z").now();
        Ok(String::from_utf8(render(&sender.mailbox()?, mail, Uuid::nil(), at)?).unwrap())
    }

    #[test]
    fn a_mail_becomes_a_message_with_its_headers() {
        let text = rendered("Grüße", None).unwrap();
        for line in [
            "From: \"The Hub\" <hub@example.com>\r\n",
            "To: ada@example.org\r\n",
            "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n",
            "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n",
            "Message-ID: <00000000-0000-0000-0000-000000000000@example.com>\r\n",
            "Your code is 123456.\r\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
    }

    #[test]
    fn html_stands_beside_the_text() {
        let text = rendered("Hello", Some("<p>123456</p>")).unwrap();
        assert!(text.contains("multipart/alternative") && text.contains("<p>123456</p>"), "{text}");
    }

    #[test]
    fn nothing_can_begin_a_header_of_its_own() {
        for subject in ["", "a\r\nBcc: eve@example.com", "a\nb", "a\rb", "a\u{0}b", "a\u{2028}b", &"x".repeat(201)] {
            assert!(matches!(rendered(subject, None), Err(MailError::Invalid(_))), "{subject:?}");
        }
        let sender = Sender { address: "hub@example.com".parse().unwrap(), name: Some("Hub\r\nBcc: e@x.y".to_owned()) };
        assert!(sender.mailbox().is_err());
    }

    #[test]
    fn a_debug_text_shows_no_code() {
        let mail = Mail {
            to: "a@b.c".parse().unwrap(),
            subject: "Hi".to_owned(),
            text: "code 123456".to_owned(),
            html: Some("code 123456".to_owned()),
        };
        assert!(!format!("{mail:?}").contains("123456"));
    }
}
