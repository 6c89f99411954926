//! Mail on its way out.
//!
//! A rule hands a [`Mail`] to a [`Mailer`]; which one is the operator's choice. The outboxes that ship here keep mail where
//! a person or a test can read it. A mail carries one-time secrets: its text must never reach a log or a `Debug` text.

mod file;
mod memory;
mod message;

use std::fmt;

use futures::future::BoxFuture;
use hub_types::Email;

pub use file::FileOutbox;
pub use memory::{MEMORY_LIMIT, MemoryOutbox};
pub use message::Sender;

/// Something that takes mail.
pub trait Mailer: Send + Sync + 'static {
    /// Hands one mail over. `Ok` means that the outbox has it, not that anybody has read it.
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>>;

    /// A short word for metrics and logs.
    fn name(&self) -> &str;
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

/// A mail was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The mail cannot be written as a message; sending it again will not help.
    #[error("the mail cannot be written: {0}")]
    Invalid(&'static str),
    /// The outbox cannot be written now.
    #[error("the outbox cannot be written")]
    Outbox(#[source] std::io::Error),
}
