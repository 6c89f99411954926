//! Mail on its way out.
//!
//! A rule hands a [`Mail`] to a [`Mailer`]; which one is the operator's choice: a mail server ([`SmtpMailer`]), a mail service
//! ([`SendGridMailer`]), or one of the outboxes, which keep mail where a person or a test can read it. A mail carries one-time
//! secrets: its text must never reach a log or a `Debug` text.

mod file;
mod memory;
mod message;
mod sendgrid;
mod smtp;

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use hub_types::Email;

pub use file::FileOutbox;
pub use memory::{MEMORY_LIMIT, MemoryOutbox};
pub use message::Sender;
pub use sendgrid::{SENDGRID_URL, SendGridConfig, SendGridMailer};
pub use smtp::{SmtpConfig, SmtpMailer, SmtpSecurity, SmtpUrlError};

/// Longest piece of a server's own words in an error, in characters.
const LONGEST_WORDS: usize = 300;

/// Something that takes mail.
pub trait Mailer: Send + Sync + 'static {
    /// Hands one mail over. `Ok` means that the outbox has it, not that anybody has read it.
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>>;

    /// A short word for metrics and logs.
    fn name(&self) -> &str;

    /// Tries, without sending anything, whether mail would be taken now. What needs no server always is.
    fn ping(&self) -> BoxFuture<'_, Result<(), MailError>> {
        Box::pin(futures::future::ready(Ok(())))
    }
}

/// One mail to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Who gets it.
    pub to: Email,
    /// One line without control characters, at most 200 characters.
    pub subject: String,
    /// The text for every reader.
    pub text: String,
    /// The same in HTML, for readers that show it.
    pub html: Option<String>,
}

/// Shows to whom and about what, never the text.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("to", &self.to).field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// A mail was not taken. Texts are for operators: none holds a credential or the mail's own text.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The mail cannot be written as a message; sending it again will not help.
    #[error("the mail cannot be written: {0}")]
    Invalid(&'static str),
    /// The outbox cannot be written now.
    #[error("the outbox cannot be written")]
    Outbox(#[source] std::io::Error),
    /// The server will never take this mail; its own words.
    #[error("the mail server refused the mail for good: {0}")]
    Refused(String),
    /// The server does not take mail now: it is away, too slow, busy, or does not take our credential.
    #[error("the mail server does not take mail now: {message}")]
    Unavailable {
        /// Its own words, or what was seen of it.
        message: String,
        /// The pause it asked for.
        retry_after: Option<Duration>,
    },
}

impl MailError {
    /// True when sending the same mail again cannot help.
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::Refused(_) => true,
            Self::Outbox(_) | Self::Unavailable { .. } => false,
        }
    }

    /// The pause the server asked for.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Invalid(_) | Self::Outbox(_) | Self::Refused(_) => None,
        }
    }

    fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), retry_after: None }
    }
}

/// A stranger's words, cut and without control characters: they end in logs and on an operator's screen.
fn words(text: &str) -> String {
    let text = text.trim().chars().take(LONGEST_WORDS);
    text.map(|character| if character.is_control() { ' ' } else { character }).collect()
}
