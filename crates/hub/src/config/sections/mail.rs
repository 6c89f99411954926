//! How mail leaves the hub.

use std::path::PathBuf;

use hub_clients::mail::SENDGRID_URL;
use hub_types::Email;
use secrecy::SecretString;
use serde::Deserialize;

/// `[mail]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// How mail leaves. Without it: by SMTP when there is an `smtp_url`, by SendGrid when there is its key, else into files.
    pub transport: Option<MailTransport>,
    /// Whom mail is from. Required with SMTP and SendGrid; for files `hub@localhost` will do.
    pub from: Option<Email>,
    /// The most one mail may take, in seconds; 1 to 25.
    pub timeout_seconds: u64,
    /// Where the files go, one `.eml` per message. Without it `DATA_DIR/outbox`.
    pub outbox: Option<PathBuf>,
    /// The mail server: `smtps://user:password@host:465`, or `smtp://…:587` with STARTTLS.
    pub smtp_url: Option<SecretString>,
    /// The key of a SendGrid account, with the right to send mail.
    pub sendgrid_api_key: Option<SecretString>,
    /// Where SendGrid's API is.
    pub sendgrid_url: String,
}

/// See `Mail::transport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTransport {
    /// Files.
    Outbox,
    /// A mail server.
    Smtp,
    /// SendGrid's v3 API.
    Sendgrid,
}

impl Mail {
    /// The transport in force.
    pub fn transport(&self) -> MailTransport {
        self.transport.unwrap_or(if self.smtp_url.is_some() {
            MailTransport::Smtp
        } else if self.sendgrid_api_key.is_some() {
            MailTransport::Sendgrid
        } else {
            MailTransport::Outbox
        })
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            transport: None,
            from: None,
            timeout_seconds: 15,
            outbox: None,
            smtp_url: None,
            sendgrid_api_key: None,
            sendgrid_url: SENDGRID_URL.to_owned(),
        }
    }
}
