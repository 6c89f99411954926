//! The second step: the browser comes back from the provider.

use hub_clients::oauth::{Answer, Identity};

use super::attempt::{Attempt, Browser, Purpose};
use super::{SignInError, account, device, exchange, redirect_uri};
use crate::{Hub, Origin};

/// Longest code or issuer that is passed on, in bytes.
const LONGEST: usize = 4096;

/// What the provider put into the address.
#[derive(Clone, Copy, Default)]
pub struct CallbackAnswer<'a> {
    /// Our state.
    pub state: Option<&'a str>,
    /// The authorization code.
    pub code: Option<&'a str>,
    /// Why there is no code.
    pub error: Option<&'a str>,
    /// The issuer (RFC 9207).
    pub issuer: Option<&'a str>,
}

/// What the browser gets to see.
#[derive(Clone)]
pub enum Finished {
    /// Go on to this path of the site; with a code to exchange for a session, in the fragment, unless somebody was signed in anyway.
    Return {
        /// The path.
        path: String,
        /// Works once, for five minutes, in this browser.
        exchange: Option<String>,
    },
    /// A code to be typed into the device that waits.
    ShowCode {
        /// Eight characters.
        code: String,
        /// Who waits, so that the person can tell their own device from a stranger's.
        asker: Asker,
    },
}

/// Who began a device's sign-in.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Its address.
    pub address: String,
    /// What it calls itself.
    pub user_agent: String,
}

/// Finishes what `begin_…` began in this browser.
pub async fn finish(
    hub: &Hub,
    origin: &Origin,
    provider: &str,
    browser: Option<&Browser>,
    answer: CallbackAnswer<'_>,
) -> Result<Finished, SignInError> {
    hub.oauth.find(provider)?;
    let browser = browser.ok_or(SignInError::Stale)?;
    let attempt = Attempt::take(hub, browser, answer.state.unwrap_or_default()).await?;
    // Each provider has its own callback, so that one cannot answer for another (RFC 9700 §4.4).
    if attempt.provider != provider {
        return Err(SignInError::Stale);
    }
    if answer.error.is_some() {
        return Err(SignInError::Declined);
    }
    let identity = identify(hub, &attempt, answer).await?;
    match attempt.purpose {
        Purpose::SignIn { return_to } => {
            let user = account::of_identity(hub, origin, provider, &identity).await?;
            let code = exchange::issue(hub, browser, &user, provider).await?;
            Ok(Finished::Return { path: return_to.as_str().to_owned(), exchange: Some(code) })
        }
        Purpose::Link { user, session, return_to } => {
            account::link(hub, origin, (user, session), provider, &identity).await?;
            Ok(Finished::Return { path: return_to.as_str().to_owned(), exchange: None })
        }
        Purpose::Device { session } => {
            let user = account::of_identity(hub, origin, provider, &identity).await?;
            let (code, asker) = device::sign_in(hub, &session, &user).await?;
            Ok(Finished::ShowCode { code, asker })
        }
    }
}

async fn identify(hub: &Hub, attempt: &Attempt, answer: CallbackAnswer<'_>) -> Result<Identity, SignInError> {
    let fits = |text: &str| (1..=LONGEST).contains(&text.len());
    let code = answer.code.filter(|code| fits(code)).ok_or(SignInError::Stale)?;
    let answer = Answer {
        code,
        issuer: answer.issuer,
        redirect_uri: &redirect_uri(hub, &attempt.provider),
        code_verifier: &attempt.verifier,
        nonce: &attempt.nonce,
    };
    Ok(hub.oauth.find(&attempt.provider)?.identify(answer).await?)
}
