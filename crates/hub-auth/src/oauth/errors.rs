//! What the rules' refusals look like: as a page for people, as JSON for programs.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use hub_domain::oauth::device::DeviceError;
use hub_domain::oauth::{IdentityError, SignInError};
use hub_types::ErrorCode;
use hub_web::ApiError;
use hub_web::html::Page;

use crate::errors::{RETRY, issue, not_fresh, second_factor, store, throttled};

/// A refusal for the person at the browser.
pub(super) fn page(error: SignInError) -> Response {
    let error = sign_in(error);
    let Some(title) = title(&error) else { return error.into_response() };
    let status = error.status();
    if status.is_server_error() {
        // Not our fault, so no error; but the operator may want to know. Causes hold no secrets.
        let cause = error.source.as_deref().map(describe).unwrap_or_default();
        tracing::warn!(code = error.code.as_str(), cause, "a sign-in provider failed");
    }
    Page::new(title).status(status).text(&error.message).way_back().into_response()
}

/// The heading; `None` for what is our own fault and goes through the envelope.
fn title(error: &ApiError) -> Option<&'static str> {
    match error.status() {
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Some("The provider does not answer"),
        status if status.is_client_error() => Some("Not signed in"),
        _ => None,
    }
}

fn describe(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    // Bounded, because a cause may be built by a stranger's library.
    for _ in 0..8 {
        let Some(cause) = next else { break };
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// A refusal for a program.
pub(super) fn sign_in(error: SignInError) -> ApiError {
    let refused = |message: &'static str| ApiError::new(ErrorCode::Forbidden).message(message);
    match error {
        SignInError::UnknownProvider => ApiError::not_found("Sign-in provider"),
        SignInError::ReturnPath => ApiError::validation("returnTo", error.to_string()),
        SignInError::Stale => ApiError::new(ErrorCode::Validation)
            .message("This sign-in is over, was used already, or was begun in another browser. Please begin again."),
        SignInError::Declined => refused("The provider did not sign you in. You can try again."),
        SignInError::NoAddress => {
            refused("The provider does not tell your e-mail address, and the hub needs one. Sign in another way.")
        }
        SignInError::Unproven => refused(
            "The provider does not vouch for your e-mail address, so we have sent a mail there. If you have an account here, sign in \
             the way you always do and link this provider in your account settings. If you are new, follow the mail and then sign in \
             with the provider again.",
        ),
        SignInError::AlreadyLinked => refused(
            "Your account is linked to another account of this provider. Sign in with that one, or remove it in your account settings \
             first.",
        ),
        SignInError::Taken => ApiError::new(ErrorCode::Conflict)
            .message("This account of the provider opens somebody else's account here."),
        SignInError::Closed => refused("This hub is not open for registration."),
        SignInError::Disabled => refused("This account cannot be used."),
        SignInError::NotFresh => not_fresh(),
        SignInError::NeedsSession => refused("An API key cannot do this; sign in instead"),
        SignInError::SecondFactor { wrong } => second_factor(ErrorCode::Authentication, wrong),
        SignInError::Throttled(wait) => throttled(wait),
        SignInError::Seal(error) => ApiError::internal(error),
        SignInError::ProviderSlow => ApiError::new(ErrorCode::GatewayTimeout)
            .message("The sign-in provider did not answer in time. Please try again later."),
        SignInError::Provider(error) => ApiError::new(ErrorCode::BadGateway)
            .message("The sign-in provider cannot be reached or does not answer as it should. Please try again later.")
            .source(error),
        SignInError::Cache(error) => unavailable(error),
        SignInError::Issue(error) => issue(error),
    }
}

/// Refusals of a device that waits.
pub(super) fn device(error: DeviceError) -> ApiError {
    match error {
        DeviceError::UnknownProvider => ApiError::validation("provider", "is not a sign-in provider of this hub"),
        DeviceError::OriginalRequest => ApiError::validation("metadata.originalRequest", error.to_string()),
        DeviceError::Invalid => ApiError::new(ErrorCode::Validation)
            .message("The session or the code is wrong, not ready, used or expired; begin again if it stays so"),
        DeviceError::Cache(error) => unavailable(error),
        DeviceError::SignIn(error) => sign_in(error),
    }
}

/// Refusals of the list of identities.
pub(super) fn identity(error: IdentityError) -> ApiError {
    match error {
        IdentityError::NeedsSession => {
            ApiError::new(ErrorCode::Forbidden).message("An API key cannot do this; sign in instead")
        }
        IdentityError::NotFresh => not_fresh(),
        IdentityError::NotFound => ApiError::not_found("Identity"),
        IdentityError::LastWay => ApiError::new(ErrorCode::Conflict)
            .message("This is the only way to sign in; set a password or link another provider first"),
        IdentityError::Store(error) => store(error),
    }
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ApiError {
    ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error)
}
