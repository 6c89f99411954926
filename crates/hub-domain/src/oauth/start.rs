//! The first step: where a person signs in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_clients::oauth::SignIn;
use hub_types::Caller;

use super::attempt::{Attempt, Browser, Purpose};
use super::device::{self, DeviceError};
use super::{ReturnPath, SignInError, redirect_uri};
use crate::Hub;
use crate::sessions::{self, sha256};

/// Begins a sign-in of this browser; gives the provider's address.
pub async fn begin_sign_in(
    hub: &Hub,
    provider: &str,
    browser: &Browser,
    return_to: ReturnPath,
) -> Result<String, SignInError> {
    begin(hub, provider, browser, Purpose::SignIn { return_to }).await
}

/// Begins the sign-in a device waits for. `handle` is what its sign-in address carries.
pub async fn begin_device(hub: &Hub, provider: &str, browser: &Browser, handle: &str) -> Result<String, SignInError> {
    let waiting = device::waits_for(hub, handle, provider).await.map_err(|error| match error {
        DeviceError::Cache(error) => SignInError::Cache(error),
        _ => SignInError::Stale,
    })?;
    if !waiting {
        return Err(SignInError::Stale);
    }
    begin(hub, provider, browser, Purpose::Device { session: handle.to_owned() }).await
}

/// Begins to tie a further way of signing in to the caller's account. An API key cannot: it would outlive its own
/// withdrawal. Nor can a session that was left open: the person must have signed in just now.
pub async fn begin_link(
    hub: &Hub,
    caller: &Caller,
    provider: &str,
    browser: &Browser,
    return_to: ReturnPath,
) -> Result<String, SignInError> {
    let session = caller.session().ok_or(SignInError::NeedsSession)?;
    sessions::require_fresh(hub, caller).await?;
    begin(hub, provider, browser, Purpose::Link { user: caller.user, session, return_to }).await
}

async fn begin(hub: &Hub, provider: &str, browser: &Browser, purpose: Purpose) -> Result<String, SignInError> {
    let provider = hub.oauth.find(provider)?;
    let attempt = Attempt::new(provider.name(), purpose);
    let state = attempt.keep(hub, browser).await?;
    let request = SignIn {
        redirect_uri: &redirect_uri(hub, provider.name()),
        state: &state,
        nonce: &attempt.nonce,
        code_challenge: &URL_SAFE_NO_PAD.encode(sha256(attempt.verifier.as_bytes())),
    };
    Ok(provider.sign_in_url(request).await?.into())
}
