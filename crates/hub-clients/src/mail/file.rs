//! An outbox on disk: one `.eml` file per mail, which any mail reader opens. The embedded hub's way to deliver.
//!
//! A file appears whole or not at all, only its owner can read it, and names sort by time.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use futures::future::BoxFuture;
use hub_types::Clock;
use lettre::message::Mailbox;
use tokio::fs::{self, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::message::{Sender, new_id, render};
use super::{Mail, MailError, Mailer};

/// Writes `{micros}-{uuid}.eml` into a directory; `micros` has 20 digits and rises with every mail of one process.
#[derive(Debug)]
pub struct FileOutbox {
    directory: PathBuf,
    from: Mailbox,
    clock: Clock,
    last: AtomicI64,
}

impl FileOutbox {
    /// Opens the outbox; a directory that is missing is made, for its owner only (mode 0700).
    pub fn open(directory: impl Into<PathBuf>, sender: &Sender, clock: Clock) -> Result<Self, MailError> {
        let directory = directory.into();
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(MailError::Outbox)?;
        Ok(Self { directory, from: sender.mailbox()?, clock, last: AtomicI64::new(0) })
    }

    /// Where the files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    async fn write(&self, mail: Mail) -> Result<(), MailError> {
        let now = self.clock.now();
        let id = new_id(now);
        let message = render(&self.from, mail, id, now)?;
        let micros = self.next_micros(now.timestamp_micros());
        let name = format!("{micros:020}-{id}.eml");
        let draft = self.directory.join(format!(".{name}.draft"));
        let written = match write_new(&draft, &message).await {
            Ok(()) => fs::rename(&draft, self.directory.join(name)).await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            // Best effort: the error that matters is the first one.
            let _ = fs::remove_file(&draft).await;
        }
        written.map_err(MailError::Outbox)
    }

    /// The time, or one more than the last time used, so that names keep the order of sending.
    fn next_micros(&self, now: i64) -> i64 {
        let later = |last: i64| now.max(last.saturating_add(1));
        self.last.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(later(last))).map_or(now, later)
    }
}

impl Mailer for FileOutbox {
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        Box::pin(self.write(mail))
    }

    fn name(&self) -> &'static str {
        "file"
    }
}

async fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await?;
    file.write_all(bytes).await?;
    file.sync_all().await
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use uuid::{Uuid, Version};

    use super::*;

    fn mail(subject: &str) -> Mail {
        Mail { to: "a@b.c".parse().unwrap(), subject: subject.to_owned(), text: "hello".to_owned(), html: None }
    }

    fn outbox(directory: &Path) -> FileOutbox {
        let sender = Sender { address: "hub@example.com".parse().unwrap(), name: None };
        FileOutbox::open(directory.join("data/outbox"), &sender, Clock::fixed_at("2026-11-23T10:00:00.000007Z"))
            .unwrap()
    }

    fn names(outbox: &FileOutbox) -> Vec<String> {
        let entries = std::fs::read_dir(outbox.directory()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn each_mail_is_one_private_file_in_the_order_of_sending() {
        let directory = tempfile::tempdir().unwrap();
        let outbox = outbox(directory.path());
        for number in 0..5 {
            outbox.send(mail(&format!("no. {number}"))).await.unwrap();
        }
        let names = names(&outbox);
        assert_eq!(names.len(), 5);
        for (number, name) in names.iter().enumerate() {
            let path = outbox.directory().join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(&format!("Subject: no. {number}\r\n")), "{name}: {text}");
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let (micros, id) = names[0].strip_suffix(".eml").unwrap().split_once('-').unwrap();
        assert_eq!(micros, "00001795428000000007");
        assert_eq!(id.parse::<Uuid>().unwrap().get_version(), Some(Version::SortRand));
    }

    #[tokio::test]
    async fn a_mail_that_cannot_be_written_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let outbox = outbox(directory.path());
        assert!(matches!(outbox.send(mail("x\ny")).await, Err(MailError::Invalid(_))));
        assert!(names(&outbox).is_empty());
        std::fs::remove_dir(outbox.directory()).unwrap();
        assert!(matches!(outbox.send(mail("x")).await, Err(MailError::Outbox(_))));
    }
}
