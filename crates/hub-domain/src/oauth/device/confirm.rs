//! The program collects its tokens: once, and only after the code.

use super::super::exchange::{self, Entry};
use super::DeviceError;
use super::data::{SessionData, handle_of, verified_key};
use crate::sessions::Tokens;
use crate::{Hub, Origin};

/// A device that is signed in.
#[derive(Clone)]
pub struct Confirmed {
    /// Its tokens.
    pub tokens: Tokens,
    /// What it said at the start that it wanted to do.
    pub original_request: String,
}

/// Opens a session for the device. Of any number of attempts one wins; asking before the code was right, or without the second factor
/// of an account that has one, costs nothing.
pub async fn confirm(
    hub: &Hub,
    origin: &Origin,
    session_id: &str,
    totp: Option<&str>,
) -> Result<Confirmed, DeviceError> {
    let handle = handle_of(session_id);
    let verified: Option<String> = hub.cache.get_json(&verified_key(&handle)).await?;
    let data = SessionData::find(hub, &handle).await?.ok_or(DeviceError::Invalid)?;
    // The code that was right must be the code of whoever signed in.
    if verified.is_none() || verified != data.verification_code {
        return Err(DeviceError::Invalid);
    }
    let user = data.user_id.ok_or(DeviceError::Invalid)?;
    let (auth_version, provider) = (data.auth_version, data.oauth_provider.as_str());
    let entry = Entry { user, auth_version, provider, way: "device", totp };
    let redeem = async { Ok(SessionData::take(hub, &handle).await?.is_some()) };
    let tokens = exchange::open(hub, origin, entry, redeem).await?;
    Ok(Confirmed { tokens, original_request: data.metadata.original_request })
}
