//! What the rules' refusals look like over HTTP. One function per error of `hub-domain`.

use hub_domain::credits::CreditsError;
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
