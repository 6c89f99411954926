//! A program asks to be signed in: it gets a secret to keep and an address to show.

use hub_types::Timestamp;

use super::super::{LIFE, secret};
use super::DeviceError;
use super::data::{Metadata, SessionData, handle_of};
use crate::audit::clean;
use crate::{Hub, Origin};

/// Longest original request, in characters.
const LONGEST_REQUEST: usize = 2000;

/// What a program asks for.
#[derive(Debug, Clone, Default)]
pub struct NewDevice {
    /// With whom the person signs in.
    pub provider: String,
    /// What the program wanted to do; given back when it is signed in.
    pub original_request: String,
}

/// A session that waits.
#[derive(Clone)]
pub struct StartedDevice {
    /// For the program alone: whoever has it and the code gets in.
    pub session_id: String,
    /// For the person: open it in a browser.
    pub sign_in_url: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Begins to wait.
pub async fn start(hub: &Hub, origin: &Origin, new: NewDevice) -> Result<StartedDevice, DeviceError> {
    hub.oauth.find(&new.provider)?;
    if new.original_request.chars().count() > LONGEST_REQUEST {
        return Err(DeviceError::OriginalRequest);
    }
    let session_id = secret();
    let handle = handle_of(&session_id);
    let expires_at = hub.clock.now() + chrono::Duration::from_std(LIFE).unwrap_or_default();
    let data = SessionData {
        session_id: handle.clone(),
        user_id: None,
        auth_version: 0,
        oauth_provider: new.provider,
        verification_code: None,
        expires_at,
        metadata: Metadata {
            user_agent: clean(&origin.user_agent),
            ip_address: clean(&origin.address),
            original_request: new.original_request,
        },
    };
    data.keep(hub, &handle, LIFE).await?;
    let public = &hub.settings.identity.public_url;
    let sign_in_url = format!("{public}/api/auth/oauth/{}?session={handle}", data.oauth_provider);
    Ok(StartedDevice { session_id, sign_in_url, expires_at })
}
