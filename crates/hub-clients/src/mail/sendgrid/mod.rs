//! Mail through SendGrid's v3 API (providers.md §7.2).
//!
//! Click and open tracking are switched off: links in our mails are secrets and must not pass through anybody's redirect.

#[cfg(test)]
mod tests;

use std::time::Duration;

use futures::future::BoxFuture;
use hub_types::{Clock, Timestamp};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::message::{Sender, check};
use super::{Mail, MailError, Mailer, words};

/// The service's own address; accounts in the EU have `https://api.eu.sendgrid.com`.
pub const SENDGRID_URL: &str = "https://api.sendgrid.com";
/// Making a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// Most that is read of an answer, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;
/// When the service says that its limit is free again, in seconds of Unix time.
const RESET: &str = "x-ratelimit-reset";
/// What a key must be allowed to do.
const SCOPE: &str = "mail.send";

/// An account at the service.
#[derive(Debug, Clone)]
pub struct SendGridConfig {
    /// `SG.…`.
    pub api_key: SecretString,
    /// Everything before `/v3`.
    pub base_url: Url,
    /// The most one mail may take.
    pub timeout: Duration,
}

/// Hands mail to the service.
#[derive(Debug)]
pub struct SendGridMailer {
    config: SendGridConfig,
    client: Client,
    from: Value,
    clock: Clock,
}

/// The service's words about what is wrong.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Faults {
    errors: Vec<Fault>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    message: String,
    field: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Scopes {
    scopes: Vec<String>,
}

impl SendGridMailer {
    /// For this account. Errors: a sender that fits no header, or an HTTP client that cannot be built.
    pub fn new(config: SendGridConfig, sender: &Sender, clock: Clock) -> Result<Self, MailError> {
        sender.mailbox()?;
        let mut from = json!({ "email": sender.address });
        if let Some(name) = &sender.name {
            from["name"] = json!(name);
        }
        let client = Client::builder()
            .user_agent("smart-ai-hub")
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(config.timeout)
            .build()
            .map_err(|error| broken(&error))?;
        Ok(Self { config, client, from, clock })
    }

    async fn deliver(&self, mail: Mail) -> Result<(), MailError> {
        check(&mail)?;
        let request = self.client.post(self.url(&["v3", "mail", "send"])).json(&self.body(&mail));
        let answer = self.ask(request).await?;
        if answer.status().is_success() { Ok(()) } else { Err(self.refusal(answer).await) }
    }

    fn body(&self, mail: &Mail) -> Value {
        // The service wants the plain text first.
        let mut content = vec![json!({ "type": "text/plain", "value": mail.text })];
        content.extend(mail.html.as_ref().map(|html| json!({ "type": "text/html", "value": html })));
        json!({
            "personalizations": [{ "to": [{ "email": mail.to }] }],
            "from": self.from,
            "subject": mail.subject,
            "content": content,
            "tracking_settings": { "click_tracking": { "enable": false }, "open_tracking": { "enable": false } },
        })
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.config.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Response, MailError> {
        let request = request.bearer_auth(self.config.api_key.expose_secret());
        request.send().await.map_err(|error| broken(&error))
    }

    async fn refusal(&self, answer: Response) -> MailError {
        let (status, wait) = (answer.status(), pause(answer.headers(), self.clock.now()));
        let faults: Faults = read(answer).await.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        let fault = |fault: &Fault| match &fault.field {
            Some(field) => format!("{} ({field})", fault.message),
            None => fault.message.clone(),
        };
        let said = words(&faults.errors.iter().map(fault).collect::<Vec<_>>().join("; "));
        let message = format!("SendGrid answered {} {said}", status.as_u16()).trim_end().to_owned();
        if is_final(status) {
            MailError::Refused(message)
        } else {
            MailError::Unavailable { message, retry_after: wait }
        }
    }
}

impl Mailer for SendGridMailer {
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        Box::pin(self.deliver(mail))
    }

    fn name(&self) -> &'static str {
        "sendgrid"
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), MailError>> {
        Box::pin(async {
            let answer = self.ask(self.client.get(self.url(&["v3", "scopes"]))).await?;
            if !answer.status().is_success() {
                return Err(self.refusal(answer).await);
            }
            let body = read(answer).await.unwrap_or_default();
            let scopes: Scopes = serde_json::from_slice(&body).unwrap_or_default();
            let fits = scopes.scopes.iter().any(|scope| scope == SCOPE);
            if fits { Ok(()) } else { Err(MailError::Refused(format!("the API key lacks the scope {SCOPE}"))) }
        })
    }
}

/// 4xx is about the mail, the sender or the key: the same request gets the same answer. Too slow and too many are about now.
fn is_final(status: StatusCode) -> bool {
    status.is_client_error() && !matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

/// The pause asked for, in either of the two ways the service has.
fn pause(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let seconds = number(RETRY_AFTER.as_str()).or_else(|| Some(number(RESET)? - now.timestamp()))?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// The body, as far as it is reasonable to read one; `None` when it breaks off.
async fn read(mut answer: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        let left = LONGEST_ANSWER - body.len();
        body.extend_from_slice(chunk.get(..left.min(chunk.len())).unwrap_or_default());
        if body.len() == LONGEST_ANSWER {
            break;
        }
    }
    Some(body)
}

fn broken(error: &reqwest::Error) -> MailError {
    MailError::unavailable(if error.is_timeout() {
        "SendGrid did not answer in time"
    } else if error.is_connect() {
        "SendGrid cannot be reached"
    } else if error.is_builder() {
        "the HTTP client cannot be built, or the API key holds characters that cannot be sent"
    } else {
        "the connection to SendGrid broke"
    })
}
