//! The refresh cookie of browsers: script cannot read it, and it is sent to this origin only.
//!
//! The `__Host-` prefix makes browsers refuse the cookie unless it is `Secure` and bound to this host, so it is used wherever the
//! hub is reached over https. On plain http (a hub on one's own machine) it has another name.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use hub_domain::Hub;
use hub_domain::sessions::Tokens;
use hub_web::ApiError;

const SECURE_NAME: &str = "__Host-refresh";
const PLAIN_NAME: &str = "hub-refresh";

fn is_secure(hub: &Hub) -> bool {
    hub.settings.identity.public_url.starts_with("https://")
}

fn name(hub: &Hub) -> &'static str {
    if is_secure(hub) { SECURE_NAME } else { PLAIN_NAME }
}

/// The refresh token that came in the cookie. Two cookies of that name count as none: one of them was planted.
pub(crate) fn read(hub: &Hub, headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name(hub)).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Some(value.to_owned()),
        _ => None,
    }
}

/// Puts the refresh token into the cookie of the answer.
pub(crate) fn write(hub: &Hub, headers: &mut HeaderMap, tokens: &Tokens) -> Result<(), ApiError> {
    set(hub, headers, &tokens.refresh_token, tokens.refresh_expires_in)
}

/// Makes the browser forget the cookie.
pub(crate) fn clear(hub: &Hub, headers: &mut HeaderMap) -> Result<(), ApiError> {
    set(hub, headers, "", 0)
}

fn set(hub: &Hub, headers: &mut HeaderMap, value: &str, seconds: i64) -> Result<(), ApiError> {
    let secure = if is_secure(hub) { "; Secure" } else { "" };
    let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", name(hub));
    headers.append(SET_COOKIE, HeaderValue::try_from(cookie).map_err(ApiError::internal)?);
    Ok(())
}
