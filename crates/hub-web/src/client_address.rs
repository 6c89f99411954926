//! Who is at the other end of the wire, as far as we can trust what we are told.
//!
//! The socket's peer is the truth. Only if that peer is a configured proxy is `X-Forwarded-For` read, from right to
//! left, up to the first address that is no proxy of ours. Headers that claim an identity are removed at the door.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Hops read from `X-Forwarded-For` before we stop believing that it makes sense.
const MAX_HOPS: usize = 32;

/// The networks whose word about the client's address, scheme and request id is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// Trusts these networks; none by default.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// True when `address` belongs to a trusted proxy. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl From<Vec<IpNet>> for TrustedProxies {
    fn from(networks: Vec<IpNet>) -> Self {
        Self(networks.into())
    }
}

/// The client's address. `0.0.0.0` stands where the socket is not known (a router called without [`crate::serve`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for ClientAddr {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self(UNKNOWN)))
    }
}

const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Puts a [`ClientAddr`] into every request of `router` and strips `x-user-*`, `x-service-*`, `x-real-ip`, and from
/// strangers also `forwarded` and `x-forwarded-*`.
pub fn with_client_address(router: Router, trusted: &TrustedProxies) -> Router {
    router.layer(from_fn_with_state(trusted.clone(), client_address))
}

async fn client_address(State(trusted): State<TrustedProxies>, mut request: Request, next: Next) -> Response {
    let peer = peer_of(&request);
    let from_proxy = trusted.contains(peer);
    let address = if from_proxy { walk(peer, request.headers(), &trusted) } else { peer };
    strip(request.headers_mut(), from_proxy);
    request.extensions_mut().insert(ClientAddr(address));
    next.run(request).await
}

/// The address at the other end of the socket.
pub(crate) fn peer_of(request: &Request) -> IpAddr {
    let socket = request.extensions().get::<ConnectInfo<SocketAddr>>();
    socket.map_or(UNKNOWN, |ConnectInfo(address)| address.ip().to_canonical())
}

/// The rightmost address that is no proxy of ours; where the chain breaks off, the last hop that can be believed.
fn walk(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> IpAddr {
    let lines: Vec<&str> = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
    let mut last = peer;
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')).take(MAX_HOPS) {
        let Some(address) = parse_hop(hop.trim()) else { break };
        last = address;
        if !trusted.contains(address) {
            break;
        }
    }
    last
}

/// Reads `1.2.3.4`, `1.2.3.4:567`, `2001:db8::1` and `[2001:db8::1]:567`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    plain.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

fn strip(headers: &mut HeaderMap, from_proxy: bool) {
    let claims = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("x-user-")
            || name.starts_with("x-service-")
            || name == "x-real-ip"
            || (!from_proxy && (name == "forwarded" || name.starts_with("x-forwarded-")))
    };
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| claims(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// The key under which an address is counted. One household or server gets a whole IPv6 /64, so that is the unit.
pub fn rate_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn seen(peer: &str, forwarded: &[&'static str]) -> String {
        let trusted = TrustedProxies::new(["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_static(line));
        }
        let peer: IpAddr = peer.parse().unwrap();
        if trusted.contains(peer) { walk(peer, &headers, &trusted).to_string() } else { peer.to_string() }
    }

    #[test]
    fn a_stranger_cannot_choose_its_address() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn behind_proxies_the_rightmost_stranger_is_the_client() {
        assert_eq!(seen("10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(seen("fd00::1", &["[2001:db8::7]:80"]), "2001:db8::7");
        assert_eq!(seen("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn nonsense_ends_the_walk_at_the_last_believable_hop() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, <script>, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn ipv6_is_counted_by_network() {
        let a = rate_key("2001:db8:1:2:aaaa::1".parse().unwrap());
        assert_eq!(a, rate_key("2001:db8:1:2:bbbb::2".parse().unwrap()));
        assert_ne!(a, rate_key("2001:db8:1:3::1".parse().unwrap()));
        assert_eq!(rate_key("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1");
    }
}
