//! From the settings to what takes mail.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hub_clients::mail::{FileOutbox, Mailer, SendGridConfig, SendGridMailer, Sender, SmtpConfig, SmtpMailer};
use hub_types::{Clock, Email};
use secrecy::ExposeSecret;

use crate::config::Settings;
use crate::config::sections::MailTransport;
use crate::data_dir::DataDir;

/// Whom mail is from unless the settings say otherwise.
const FROM: &str = "hub@localhost";

/// The mailer of these settings. Nothing is sent and no server is asked yet.
pub fn mailer(settings: &Settings, directory: &DataDir, clock: &Clock) -> Result<Arc<dyn Mailer>> {
    let mail = &settings.mail;
    let timeout = Duration::from_secs(mail.timeout_seconds);
    let from: Email = FROM.parse()?;
    let sender = Sender { address: mail.from.clone().unwrap_or(from), name: Some(settings.identity.product.clone()) };
    match mail.transport() {
        MailTransport::Outbox => {
            let outbox = mail.outbox.clone().unwrap_or_else(|| directory.outbox());
            Ok(Arc::new(FileOutbox::open(outbox, &sender, clock.clone()).context("mail.outbox")?))
        }
        MailTransport::Smtp => {
            let url = mail.smtp_url.as_ref().context("mail.smtp_url (SMTP_URL) is not set")?;
            let config = SmtpConfig::from_url(url.expose_secret(), timeout).context("mail.smtp_url")?;
            Ok(Arc::new(SmtpMailer::new(config, &sender, clock.clone()).context("mail.smtp_url")?))
        }
        MailTransport::Sendgrid => {
            let api_key = mail.sendgrid_api_key.clone();
            let api_key = api_key.context("mail.sendgrid_api_key (SENDGRID_API_KEY) is not set")?;
            let base_url = mail.sendgrid_url.parse().context("mail.sendgrid_url")?;
            let config = SendGridConfig { api_key, base_url, timeout };
            Ok(Arc::new(SendGridMailer::new(config, &sender, clock.clone()).context("mail.sendgrid_api_key")?))
        }
    }
}
