//! Keeps other sites from using the refresh cookie, or from planting a session of theirs into somebody's browser.

use http::HeaderMap;
use hub_types::ErrorCode;
use hub_web::{ApiError, comes_from_here};

/// Refuses a request that another site's page made. `public_url` is where people reach this hub.
pub(crate) fn same_site_only(headers: &HeaderMap, public_url: &str) -> Result<(), ApiError> {
    if comes_from_here(headers, public_url) {
        Ok(())
    } else {
        Err(ApiError::new(ErrorCode::Forbidden).message("The request came from another site"))
    }
}
