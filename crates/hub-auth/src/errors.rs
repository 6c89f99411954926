//! What the rules' refusals look like over HTTP. One function per error of `hub-domain`.

use std::time::Duration;

use hub_domain::access::StoreError;
use hub_domain::access::TicketError;
use hub_domain::identity::{HasherError, LoginError, RegisterError, ResetError, VerifyError, Weakness};
use hub_domain::sessions::{IssueError, RefreshError, SessionError};
use hub_types::ErrorCode;
use hub_web::ApiError;

/// When a caller may try again while the database is away or all cores hash.
const RETRY: Duration = Duration::from_secs(2);

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
        VerifyError::Store(error) => store(error),
    }
}

/// Refusals of sign-in. Unknown, wrong and disabled look the same.
pub(crate) fn login(error: LoginError) -> ApiError {
    match error {
        LoginError::Invalid => {
            ApiError::new(ErrorCode::Authentication).message("The e-mail address or the password is wrong")
        }
        LoginError::Password(error) => ApiError::validation("password", error.to_string()),
        LoginError::Throttled(wait) => ApiError::new(ErrorCode::RateLimitExceeded)
            .message("Too many failed sign-ins, please try again later")
            .retry_after(wait),
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
pub(crate) fn reset(error: ResetError) -> ApiError {
    match error {
        ResetError::Invalid => {
            ApiError::new(ErrorCode::Validation).message("The link is wrong, used or expired; ask for a new one")
        }
        ResetError::Password(error) => ApiError::validation("password", error.to_string()),
        ResetError::Weak(weaknesses) => weak(&weaknesses),
        ResetError::Hasher(error) => hasher(error),
        ResetError::Store(error) => store(error),
    }
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
    let error = ApiError::new(ErrorCode::Validation).message("The password is too weak");
    weaknesses.iter().fold(error, |error, weakness| error.field("password", weakness.to_string()))
}

fn hasher(error: HasherError) -> ApiError {
    match error {
        HasherError::Busy => ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error),
        HasherError::Settings | HasherError::Failed(_) => ApiError::internal(error),
    }
}

fn issue(error: IssueError) -> ApiError {
    match error {
        IssueError::Store(error) => store(error),
        IssueError::Token(error) => ApiError::internal(error),
    }
}
