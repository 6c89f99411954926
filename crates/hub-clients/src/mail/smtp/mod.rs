//! Mail through a mail server (RFC 5321), with TLS by rustls.
//!
//! One connection is kept between two mails. It is taken out while in use and put back only after a whole exchange, so a mail that
//! was given up half way can never leave a stray answer for the next one.

mod config;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use hub_types::Clock;
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::message::{Sender, address, new_id, render};
use super::{Mail, MailError, Mailer, words};

pub use config::{SmtpConfig, SmtpSecurity, SmtpUrlError};

/// How a password is shown to the server; both are only used where the connection is protected or stays on this machine.
const MECHANISMS: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];

/// Hands mail to one mail server.
pub struct SmtpMailer {
    config: SmtpConfig,
    from: Mailbox,
    hello: ClientId,
    tls: Option<TlsParameters>,
    clock: Clock,
    /// The connection between two mails.
    kept: Mutex<Option<AsyncSmtpConnection>>,
}

impl SmtpMailer {
    /// For this server. Connects when the first mail is sent. Errors: a sender that fits no header, or TLS that cannot be set up.
    pub fn new(config: SmtpConfig, sender: &Sender, clock: Clock) -> Result<Self, MailError> {
        let from = sender.mailbox()?;
        let tls = match config.security {
            SmtpSecurity::None => None,
            SmtpSecurity::Tls | SmtpSecurity::StartTls => Some(
                TlsParameters::new(config.host.clone())
                    .map_err(|error| MailError::unavailable(format!("TLS cannot be set up: {error}")))?,
            ),
        };
        let hello = ClientId::Domain(from.email.domain().to_owned());
        Ok(Self { config, from, hello, tls, clock, kept: Mutex::new(None) })
    }

    async fn deliver(&self, mail: Mail) -> Result<(), MailError> {
        let now = self.clock.now();
        let to = address(&mail.to)?;
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to])
            .map_err(|_| MailError::Invalid("the address does not fit the mail format"))?;
        let message = render(&self.from, mail, new_id(now), now)?;
        let mut connection = match self.kept_connection().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        connection.send(&envelope, &message).await.map_err(|error| refusal(&error))?;
        if !connection.has_broken() {
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
        Ok(())
    }

    /// The kept connection, if the server still answers on it.
    async fn kept_connection(&self) -> Option<AsyncSmtpConnection> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        kept.test_connected().await.then_some(kept)
    }

    /// A connection that is ready for mail. Whatever goes wrong before the first mail is about the server or our settings, so
    /// the mail itself may be tried again.
    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let config = &self.config;
        let server = (config.host.as_str(), config.port);
        let first = (config.security == SmtpSecurity::Tls).then(|| self.tls.clone()).flatten();
        let connected = AsyncSmtpConnection::connect_tokio1(server, Some(config.timeout), &self.hello, first, None);
        let mut connection = connected.await.map_err(|error| away(&error))?;
        if let (SmtpSecurity::StartTls, Some(tls)) = (config.security, self.tls.clone()) {
            connection.starttls(tls, &self.hello).await.map_err(|error| away(&error))?;
        }
        if let Some((user, password)) = &config.login {
            let login = Credentials::new(user.clone(), password.expose_secret().to_owned());
            connection.auth(MECHANISMS, &login).await.map_err(|error| away(&error))?;
        }
        Ok(connection)
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, MailError>>) -> Result<T, MailError> {
        let late = || MailError::unavailable(format!("no answer within {} s", self.config.timeout.as_secs()));
        timeout(self.config.timeout, work).await.unwrap_or_else(|_| Err(late()))
    }
}

impl Mailer for SmtpMailer {
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        Box::pin(self.in_time(self.deliver(mail)))
    }

    fn name(&self) -> &'static str {
        "smtp"
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), MailError>> {
        Box::pin(self.in_time(async {
            let mut connection = self.connect().await?;
            // Polite, but what counts is that the connection came about.
            drop(connection.quit().await);
            Ok(())
        }))
    }
}

impl std::fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpMailer").field("config", &self.config).finish_non_exhaustive()
    }
}

fn away(error: &SmtpError) -> MailError {
    MailError::unavailable(words(&error.to_string()))
}

/// 5xx is the server's last word about a mail (RFC 5321 §4.2.1); a mail it has no means to take will not fit later either.
fn refusal(error: &SmtpError) -> MailError {
    if error.is_permanent() || error.is_client() { MailError::Refused(words(&error.to_string())) } else { away(error) }
}
