//! Whether a request was made by one of our own pages, or by no page at all.
//!
//! Browsers say where a request comes from: in `Sec-Fetch-Site`, older ones in `Origin`. A request that says neither comes from no
//! browser and carries no cookie that was not put there on purpose.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// False for a request that another site's page made. `public_url` is where people reach this hub. For routes that a cookie or the
/// mere connection opens: refresh, login, the WebSocket.
pub fn comes_from_here(headers: &HeaderMap, public_url: &str) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    origin.eq_ignore_ascii_case(public_url.trim_end_matches('/')) || (authority.is_some() && authority == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(HeaderName::from_static(name), http::HeaderValue::from_static(value));
        }
        comes_from_here(&headers, "https://hub.example")
    }

    #[test]
    fn only_this_site_and_programs_pass() {
        assert!(passes(&[]));
        assert!(passes(&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")]));
        assert!(passes(&[("sec-fetch-site", "none")]));
        assert!(passes(&[("origin", "https://hub.example")]));
        assert!(passes(&[("origin", "http://localhost:3000"), ("host", "localhost:3000")]));
        for foreign in ["cross-site", "same-site", "Same-Origin", ""] {
            assert!(!passes(&[("sec-fetch-site", foreign), ("origin", "https://hub.example")]), "{foreign}");
        }
        for foreign in ["https://evil.example", "null", "", "https://hub.example.evil.example"] {
            assert!(!passes(&[("origin", foreign), ("host", "hub.example")]), "{foreign}");
        }
    }
}
