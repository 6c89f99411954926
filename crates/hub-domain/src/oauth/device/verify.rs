//! The person's code, sent by the program. Five tries per session; each is counted, in one atomic step, before it is compared.

use subtle::ConstantTimeEq;

use super::super::LIFE;
use super::DeviceError;
use super::data::{SessionData, code_hash, handle_of, typed, verified_key};
use crate::Hub;

/// Tries per session.
const TRIES: u32 = 5;

/// Takes the code. Wrong tries move no expiry, and the fifth is the last, right or wrong.
pub async fn verify(hub: &Hub, session_id: &str, code: &str) -> Result<(), DeviceError> {
    let handle = handle_of(session_id);
    let data = SessionData::find(hub, &handle).await?.ok_or(DeviceError::Invalid)?;
    // Before somebody has signed in there is nothing to guess, so a program may ask early.
    let (Some(right), Some(left)) = (&data.verification_code, data.left(hub)) else { return Err(DeviceError::Invalid) };
    // The window is as long as the longest session, so no try falls out of it while the session lives.
    let counted = hub.cache.admit(&format!("session-tries:{handle}"), TRIES, LIFE * 2).await?;
    if !counted.allowed {
        return Err(DeviceError::Invalid);
    }
    let given = typed(code).map(|code| code_hash(hub, &handle, &code)).unwrap_or_default();
    if !bool::from(given.as_bytes().ct_eq(right.as_bytes())) {
        return Err(DeviceError::Invalid);
    }
    Ok(hub.cache.put_json(&verified_key(&handle), right, left).await?)
}
