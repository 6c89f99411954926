//! Which headers cross the forwarder.
//!
//! Headers about one connection stay on it (RFC 9110, 7.6.1). What the service learns about the client is written here:
//! `X-Forwarded-For` is the client's address as the front door worked it out, one address and no list.

use axum::extract::Request;
use http::header::{
    CONNECTION, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use hub_web::ClientAddr;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The protocol that a request wants to change to, if it does.
pub(super) fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named = asks.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    if named { headers.get(UPGRADE).cloned() } else { None }
}

/// Prepares a request to be sent on.
pub(super) fn outbound(request: &mut Request, upgrade: Option<&HeaderValue>) {
    let host = request.headers().get(HOST).cloned();
    let host = host.or_else(|| HeaderValue::from_str(request.uri().authority()?.as_str()).ok());
    let address = request.extensions().get::<ClientAddr>().copied();
    let headers = request.headers_mut();
    drop_hop_by_hop(headers);
    // The next connection makes its own.
    headers.remove(EXPECT);
    headers.remove(HOST);
    if let Some(ClientAddr(address)) = address
        && let Ok(value) = HeaderValue::from_str(&address.to_string())
    {
        headers.insert(X_FORWARDED_FOR, value);
    }
    // These two are still here only if a trusted proxy sent them.
    headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
    if let Some(host) = host {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    }
}

/// Prepares an answer to be sent back.
pub(super) fn inbound(headers: &mut HeaderMap, switching: bool) {
    let protocol = headers.get(UPGRADE).cloned();
    drop_hop_by_hop(headers);
    if let Some(protocol) = protocol.filter(|_| switching) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| token.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_connection_stays_on_it() {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("close, X-Private"));
        headers.insert("x-private", HeaderValue::from_static("1"));
        headers.insert("keep-alive", HeaderValue::from_static("timeout=5"));
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers.insert("x-kept", HeaderValue::from_static("1"));
        inbound(&mut headers, false);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    }

    #[test]
    fn the_service_learns_the_address_that_the_front_door_found() {
        let mut request = Request::new(axum::body::Body::empty());
        request.headers_mut().insert(HOST, HeaderValue::from_static("hub.example"));
        request.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6, 10.0.0.1"));
        request.extensions_mut().insert(ClientAddr([198, 51, 100, 7].into()));
        outbound(&mut request, None);
        assert_eq!(request.headers()["x-forwarded-for"], "198.51.100.7");
        assert_eq!(request.headers()["x-forwarded-host"], "hub.example");
        assert_eq!(request.headers()["x-forwarded-proto"], "http");
        assert!(!request.headers().contains_key(HOST));
    }
}
