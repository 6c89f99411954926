//! The refresh cookie of browsers: script cannot read it, and it is sent to this origin only.
//!
//! The `__Host-` prefix makes browsers refuse the cookie unless it is `Secure` and bound to this host, so it is used wherever the
//! hub is reached over https. On plain http (a hub on one's own machine) it has another name.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use hub_domain::sessions::Tokens;
use hub_web::ApiError;

const SECURE_NAME: &str = "__Host-refresh";
const PLAIN_NAME: &str = "hub-refresh";

pub(crate) fn is_secure(public_url: &str) -> bool {
    public_url.starts_with("https://")
}

fn name(public_url: &str) -> &'static str {
    if is_secure(public_url) { SECURE_NAME } else { PLAIN_NAME }
}

/// The refresh token that came in the cookie. Two cookies of that name count as none: one of them was planted.
pub(crate) fn read(public_url: &str, headers: &HeaderMap) -> Option<String> {
    single(name(public_url), headers)
}

/// The value of the only cookie of this name.
pub(crate) fn single(name: &str, headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Some(value.to_owned()),
        _ => None,
    }
}

/// Puts the refresh token into the cookie of the answer.
pub(crate) fn write(public_url: &str, headers: &mut HeaderMap, tokens: &Tokens) -> Result<(), ApiError> {
    set(public_url, headers, &tokens.refresh_token, tokens.refresh_expires_in)
}

/// Makes the browser forget the cookie.
pub(crate) fn clear(public_url: &str, headers: &mut HeaderMap) -> Result<(), ApiError> {
    set(public_url, headers, "", 0)
}

fn set(public_url: &str, headers: &mut HeaderMap, value: &str, seconds: i64) -> Result<(), ApiError> {
    let secure = if is_secure(public_url) { "; Secure" } else { "" };
    let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", name(public_url));
    headers.append(SET_COOKIE, HeaderValue::try_from(cookie).map_err(ApiError::internal)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTPS: &str = "https://hub.example";
    const HTTP: &str = "http://127.0.0.1:3000";

    fn sent(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_static(line));
        }
        headers
    }

    #[test]
    fn the_cookie_is_bound_to_this_host_and_hidden_from_script() {
        let mut headers = HeaderMap::new();
        set(HTTPS, &mut headers, "rt_x", 60).unwrap();
        clear(HTTP, &mut headers).unwrap();
        let lines: Vec<_> = headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap()).collect();
        assert_eq!(
            lines,
            [
                "__Host-refresh=rt_x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure",
                "hub-refresh=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0",
            ]
        );
    }

    #[test]
    fn only_one_cookie_of_the_right_name_counts() {
        assert_eq!(read(HTTPS, &sent(&["a=b; __Host-refresh=rt_x"])).as_deref(), Some("rt_x"));
        assert_eq!(read(HTTP, &sent(&["hub-refresh=rt_x"])).as_deref(), Some("rt_x"));
        for lines in [
            &["hub-refresh=rt_x"][..],
            &["__Host-refresh="],
            &["__Host-refresh=a; __Host-refresh=b"],
            &["__Host-refresh=a", "__Host-refresh=b"],
            &[],
        ] {
            assert_eq!(read(HTTPS, &sent(lines)), None, "{lines:?}");
        }
    }
}
