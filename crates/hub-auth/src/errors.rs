//! What the rules' refusals look like over HTTP. One function per error of `hub-domain`.

use std::time::Duration;

use hub_domain::access::StoreError;
use hub_domain::access::TicketError;
use hub_domain::identity::{
    AcceptInviteError, ChangeEmailError, ChangePasswordError, FactorError, HasherError, LinkError, LoginError,
    ProofError, ReauthenticateError, RegisterError, VerifyError, Weakness,
};
use hub_domain::sessions::{IssueError, RefreshError, SessionError};
use hub_types::ErrorCode;
use hub_web::ApiError;
use serde_json::json;

/// When a caller may try again while the database is away or all cores hash.
pub(crate) const RETRY: Duration = Duration::from_secs(2);

/// Refusals of registration.
pub(crate) fn register(error: RegisterError) -> ApiError {
    match error {
        RegisterError::Closed => ApiError::new(ErrorCode::Forbidden).message("This hub is not open for registration"),
        RegisterError::Password(error) => ApiError::validation("password", error.to_string()),
        RegisterError::Weak(weaknesses) => weak(&weaknesses),
        RegisterError::Name => ApiError::validation("name", error.to_string()),
        RegisterError::Hasher(error) => hasher(error),
        RegisterError::Store(error) => store(error),
    }
}

/// Refusals of a mailed code or link.
pub(crate) fn verify(error: VerifyError) -> ApiError {
    match error {
        VerifyError::Invalid => ApiError::new(ErrorCode::Validation)
            .message("The code or link is wrong, used or expired; ask for a new one"),
        VerifyError::Throttled(wait) => throttled(wait),
        VerifyError::Store(error) => store(error),
    }
}

/// Refusals of sign-in. Unknown, wrong and disabled look the same.
pub(crate) fn login(error: LoginError) -> ApiError {
    match error {
        LoginError::Invalid => {
            ApiError::new(ErrorCode::Authentication).message("The e-mail address or the password is wrong")
        }
        LoginError::SecondFactor { wrong } => second_factor(ErrorCode::Authentication, wrong),
        LoginError::Password(error) => ApiError::validation("password", error.to_string()),
        LoginError::Throttled(wait) => ApiError::new(ErrorCode::RateLimitExceeded)
            .message("Too many failed sign-ins, please try again later")
            .retry_after(wait),
        LoginError::Seal(error) => ApiError::internal(error),
        LoginError::Hasher(error) => hasher(error),
        LoginError::Issue(error) => issue(error),
    }
}

/// Refusals of a refresh token.
pub(crate) fn refresh(error: RefreshError) -> ApiError {
    match error {
        RefreshError::Invalid => ApiError::unauthenticated().message("The refresh token is not valid, please sign in"),
        RefreshError::Issue(error) => issue(error),
    }
}

/// Refusals of a password reset.
pub(crate) fn reset(error: LinkError) -> ApiError {
    link(error, "The link is wrong, used or expired; ask for a new one")
}

/// Refusals of an invitation.
pub(crate) fn accept_invite(error: AcceptInviteError) -> ApiError {
    match error {
        AcceptInviteError::Name => ApiError::validation("name", error.to_string()),
        AcceptInviteError::Link(error) => {
            link(error, "The link is wrong, used or expired; ask whoever invited you for a new one")
        }
    }
}

/// Refusals of a mailed link that comes with a new password; `worthless` is said of one that is no good.
fn link(error: LinkError, worthless: &'static str) -> ApiError {
    match error {
        LinkError::Invalid => ApiError::new(ErrorCode::Validation).message(worthless),
        LinkError::Throttled(wait) => throttled(wait),
        LinkError::Password(error) => ApiError::validation("password", error.to_string()),
        LinkError::Weak(weaknesses) => weak(&weaknesses),
        LinkError::Hasher(error) => hasher(error),
        LinkError::Store(error) => store(error),
    }
}

/// Refusals of a change of password.
pub(crate) fn change_password(error: ChangePasswordError) -> ApiError {
    match error {
        ChangePasswordError::Proof(error) => proof(error, "currentPassword"),
        ChangePasswordError::Password(error) => ApiError::validation("newPassword", error.to_string()),
        ChangePasswordError::Weak(weaknesses) => weak_as(&weaknesses, "newPassword"),
        ChangePasswordError::Hasher(error) => hasher(error),
        ChangePasswordError::Issue(error) => issue(error),
    }
}

/// Refusals of a change of address.
pub(crate) fn change_email(error: ChangeEmailError) -> ApiError {
    match error {
        ChangeEmailError::Proof(error) => proof(error, "password"),
        ChangeEmailError::Same => ApiError::validation("newEmail", error.to_string()),
        ChangeEmailError::Invalid => {
            ApiError::new(ErrorCode::Validation).message("The link is wrong, used or expired; ask for the change again")
        }
        ChangeEmailError::Throttled(wait) => throttled(wait),
        ChangeEmailError::Store(error) => store(error),
    }
}

/// Refusals about the second factor.
pub(crate) fn factor(error: FactorError) -> ApiError {
    match error {
        FactorError::Proof(error) => proof(error, "password"),
        FactorError::On => ApiError::new(ErrorCode::Conflict).message("A second factor is in force already"),
        FactorError::Off => ApiError::not_found("Second factor"),
        FactorError::Wrong => ApiError::validation("code", "is wrong or was used"),
        FactorError::Throttled(wait) => throttled(wait),
        FactorError::Seal(error) => ApiError::internal(error),
        FactorError::Store(error) => store(error),
    }
}

/// Refusals of a repeated proof. Not 401: the session is fine, and a client would try to refresh it.
pub(crate) fn reauthenticate(error: ReauthenticateError) -> ApiError {
    match error {
        ReauthenticateError::Proof(error) => proof(error, "password"),
        ReauthenticateError::SecondFactor => second_factor(ErrorCode::Forbidden, false),
        ReauthenticateError::Factor(FactorError::Wrong) => second_factor(ErrorCode::Forbidden, true),
        ReauthenticateError::Factor(error) => factor(error),
    }
}

/// Refusals of the owner's proof; `field` is where the password stands in the body.
fn proof(error: ProofError, field: &str) -> ApiError {
    match error {
        ProofError::NeedsSession => {
            ApiError::new(ErrorCode::Forbidden).message("An API key cannot do this; sign in instead")
        }
        ProofError::Missing => ApiError::validation(field, "is required"),
        ProofError::Wrong => ApiError::validation(field, "is wrong"),
        ProofError::Stale => not_fresh(),
        ProofError::Password(error) => ApiError::validation(field, error.to_string()),
        ProofError::Throttled(wait) => throttled(wait),
        ProofError::Hasher(error) => hasher(error),
        ProofError::Store(error) => store(error),
    }
}

/// A sign-in that is too long ago for what was asked.
pub(crate) fn not_fresh() -> ApiError {
    ApiError::new(ErrorCode::Forbidden)
        .message("Your sign-in is too long ago, please sign in again")
        .details(json!({ "reauthenticationRequired": true }))
}

/// A second factor that is missing or wrong.
pub(crate) fn second_factor(code: ErrorCode, wrong: bool) -> ApiError {
    let message = if wrong { "The code is wrong or was used" } else { "A code of the second factor is required" };
    ApiError::new(code).message(message).details(json!({ "totpRequired": true }))
}

/// Too many failures.
pub(crate) fn throttled(wait: Duration) -> ApiError {
    ApiError::new(ErrorCode::RateLimitExceeded)
        .message("Too many failed attempts, please try again later")
        .retry_after(wait)
}

/// Refusals of the session list and of signing out.
pub(crate) fn session(error: SessionError) -> ApiError {
    match error {
        SessionError::NeedsSession => {
            ApiError::new(ErrorCode::Forbidden).message("An API key cannot do this; sign in instead")
        }
        SessionError::Unauthenticated => ApiError::unauthenticated(),
        SessionError::NotFound => ApiError::not_found("Session"),
        SessionError::Store(error) => store(error),
    }
}

/// Refusals of a WebSocket ticket.
pub(crate) fn ticket(error: TicketError) -> ApiError {
    match error {
        TicketError::NoCredential => ErrorCode::Forbidden.into(),
        TicketError::Cache(error) => ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error),
    }
}

/// A failed database.
pub(crate) fn store(error: StoreError) -> ApiError {
    if error.is_unavailable() {
        ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error)
    } else {
        ApiError::internal(error)
    }
}

fn weak(weaknesses: &[Weakness]) -> ApiError {
    weak_as(weaknesses, "password")
}

fn weak_as(weaknesses: &[Weakness], field: &str) -> ApiError {
    let error = ApiError::new(ErrorCode::Validation).message("The password is too weak");
    weaknesses.iter().fold(error, |error, weakness| error.field(field, weakness.to_string()))
}

fn hasher(error: HasherError) -> ApiError {
    match error {
        HasherError::Busy => ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error),
        HasherError::Settings | HasherError::Failed(_) => ApiError::internal(error),
    }
}

/// Tokens that could not be made.
pub(crate) fn issue(error: IssueError) -> ApiError {
    match error {
        IssueError::Store(error) => store(error),
        IssueError::Token(error) => ApiError::internal(error),
    }
}
