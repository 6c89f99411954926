//! The cookie that ties a sign-in to the browser that began it. It proves nothing else and opens nothing by itself.
//!
//! `SameSite=Lax`, because the way back from the provider is a navigation from another site.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use hub_domain::oauth::Browser;
use hub_web::ApiError;

use crate::cookie;

const SECURE_NAME: &str = "__Host-oauth";
const PLAIN_NAME: &str = "hub-oauth";
/// As long as a sign-in may take, and some more for its last step.
const SECONDS: u32 = 900;

fn name(public_url: &str) -> &'static str {
    if cookie::is_secure(public_url) { SECURE_NAME } else { PLAIN_NAME }
}

/// The browser, if it has been here.
pub(super) fn read(public_url: &str, headers: &HeaderMap) -> Option<Browser> {
    Browser::parse(&cookie::single(name(public_url), headers)?)
}

/// The browser, known or new. Two tabs of one browser share the cookie, so that neither spoils the other's sign-in.
pub(super) fn known_or_new(public_url: &str, headers: &HeaderMap) -> Browser {
    read(public_url, headers).unwrap_or_else(Browser::new)
}

/// Makes the browser remember.
pub(super) fn write(public_url: &str, headers: &mut HeaderMap, browser: &Browser) -> Result<(), ApiError> {
    let secure = if cookie::is_secure(public_url) { "; Secure" } else { "" };
    let name = name(public_url);
    let line = format!("{name}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={SECONDS}{secure}", browser.as_str());
    headers.append(SET_COOKIE, HeaderValue::try_from(line).map_err(ApiError::internal)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_bound_to_this_host_and_hidden_from_script() {
        let (mut headers, browser) = (HeaderMap::new(), Browser::new());
        write("https://hub.example", &mut headers, &browser).unwrap();
        let line = headers[SET_COOKIE].to_str().unwrap();
        let value = browser.as_str();
        assert_eq!(line, format!("__Host-oauth={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=900; Secure"));
        assert!(value.len() == 43 && Browser::parse("short").is_none());
    }
}
