//! What the rules' refusals look like over HTTP. One function per error of `hub-domain`.

use hub_domain::credits::CreditsError;
use hub_domain::pricing::ImportError;
use hub_types::ErrorCode;
use hub_web::ApiError;
use serde_json::json;

/// When a caller may try again while the database is away.
const RETRY: std::time::Duration = std::time::Duration::from_secs(2);

/// Refusals of balance, history, deduct, grant and receipt.
pub(crate) fn credits(error: CreditsError) -> ApiError {
    match error {
        CreditsError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        CreditsError::NotFound => ApiError::not_found("Credit account or receipt"),
        CreditsError::Insufficient { needed, spendable } => ApiError::new(ErrorCode::InsufficientCredits)
            .message(format!("{needed} credits are needed, {spendable} are available"))
            .details(json!({ "needed": needed, "available": spendable })),
        CreditsError::Frozen => ErrorCode::AccountFrozen.into(),
        CreditsError::Invalid { field, message } => ApiError::validation(field, message),
        CreditsError::KeyReused => ErrorCode::IdempotencyConflict.into(),
        CreditsError::Store(error) if error.is_unavailable() => {
            ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error)
        }
        CreditsError::Store(error) => ApiError::internal(error),
    }
}

/// Refusals of an import of prices.
pub(crate) fn prices(error: ImportError) -> ApiError {
    match error {
        ImportError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        ImportError::Size => ApiError::validation("prices", "must be 1 to 5000"),
        ImportError::Refused(changes) => ApiError::new(ErrorCode::Validation)
            .message("some prices cannot be taken over; nothing was changed")
            .details(json!({ "changes": changes })),
        ImportError::Taken(name) => {
            ApiError::new(ErrorCode::Conflict).message(format!("{name} has a version with the same start"))
        }
        ImportError::Store(error) => credits(error.into()),
    }
}
