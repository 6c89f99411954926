//! An outbox in memory: tests read it, and command-line tools that print what would have been sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{self, BoxFuture};
use hub_types::Email;

use super::message::check;
use super::{Mail, MailError, Mailer};

/// How many mails are kept; the oldest goes first.
pub const MEMORY_LIMIT: usize = 1_000;

/// Keeps the last [`MEMORY_LIMIT`] mails. All clones are the same outbox.
#[derive(Debug, Clone, Default)]
pub struct MemoryOutbox(Arc<Mutex<VecDeque<Mail>>>);

impl MemoryOutbox {
    /// An empty outbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// All kept mails, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.with(|mails| mails.iter().cloned().collect())
    }

    /// The newest mail to an address.
    pub fn last_to(&self, to: &Email) -> Option<Mail> {
        self.with(|mails| mails.iter().rev().find(|mail| mail.to == *to).cloned())
    }

    /// Takes all kept mails out, oldest first.
    pub fn take(&self) -> Vec<Mail> {
        self.with(|mails| mails.drain(..).collect())
    }

    fn with<T>(&self, work: impl FnOnce(&mut VecDeque<Mail>) -> T) -> T {
        // A panic elsewhere leaves the list whole: every change to it is one push, pop or drain.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Mailer for MemoryOutbox {
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        let taken = check(&mail).map(|()| {
            self.with(|mails| {
                if mails.len() == MEMORY_LIMIT {
                    mails.pop_front();
                }
                mails.push_back(mail);
            });
        });
        Box::pin(future::ready(taken))
    }

    fn name(&self) -> &'static str {
        "memory"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, subject: &str) -> Mail {
        Mail { to: to.parse().unwrap(), subject: subject.to_owned(), text: String::new(), html: None }
    }

    #[tokio::test]
    async fn the_outbox_keeps_the_newest_mails_only() {
        let outbox = MemoryOutbox::new();
        for number in 0..=MEMORY_LIMIT {
            outbox.send(mail("a@b.c", &format!("no. {number}"))).await.unwrap();
        }
        assert_eq!((outbox.mails().len(), outbox.mails()[0].subject.as_str()), (MEMORY_LIMIT, "no. 1"));
        assert_eq!((outbox.take().len(), outbox.mails().len()), (MEMORY_LIMIT, 0));
    }

    #[tokio::test]
    async fn the_newest_mail_to_somebody_is_found() {
        let outbox = MemoryOutbox::new();
        for (to, subject) in [("a@b.c", "first"), ("x@y.z", "other"), ("a@b.c", "second")] {
            outbox.clone().send(mail(to, subject)).await.unwrap();
        }
        let found = outbox.last_to(&"A@b.c".parse().unwrap()).map(|mail| mail.subject);
        assert_eq!(found.as_deref(), Some("second"));
        assert_eq!(outbox.last_to(&"no@b.c".parse().unwrap()), None);
    }

    #[tokio::test]
    async fn it_refuses_what_a_real_outbox_would_refuse() {
        let outbox = MemoryOutbox::new();
        assert!(outbox.send(mail("a@b.c", "x\r\nBcc: e@f.g")).await.is_err() && outbox.mails().is_empty());
    }
}
