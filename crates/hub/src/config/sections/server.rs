//! Listeners, and where the other processes are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// `[server]` in `hub.toml`: the public listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port. Roles that are started alone listen on 3001 (auth), 3002 (core) or 3003 (mcp) unless this is set.
    pub listen: SocketAddr,
    /// Networks of proxies whose word about the client's address is believed (`X-Forwarded-For`).
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call the API, exactly as browsers send them. The hub's own pages need no entry.
    pub cors_origins: Vec<String>,
    /// Requests per minute and client address at the door, counted in this process, against floods; 0 lifts it. The limits by role
    /// are in `[limits]`.
    pub per_address_per_minute: u32,
    /// Open connections at once, WebSockets included; 1 to 1 000 000.
    pub max_connections: usize,
    /// Seconds until the headers of a request must be there; 1 to 120.
    pub header_timeout_seconds: u64,
    /// Seconds a connection may rest between two requests; 1 to 3600.
    pub idle_timeout_seconds: u64,
    /// Seconds a client may leave our bytes unread; 1 to 600.
    pub write_timeout_seconds: u64,
    /// Seconds that requests in flight get after the hub was asked to stop; 0 to 300.
    pub drain_seconds: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            per_address_per_minute: 30_000,
            max_connections: 10_000,
            header_timeout_seconds: 10,
            idle_timeout_seconds: 75,
            write_timeout_seconds: 25,
            drain_seconds: 10,
        }
    }
}

/// `[ops]` in `hub.toml`: metrics and detailed health.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ops {
    /// A listener of their own, for a network that only operators reach. Without it they need `token`.
    pub listen: Option<SocketAddr>,
    /// Bearer token that opens them on the public listener; 16 characters or more.
    pub token: Option<SecretString>,
}

/// `[upstreams]` in `hub.toml`: where a gateway finds the roles that run in other processes. Base addresses such as
/// `http://10.0.0.7:3001`; several of one role share its load.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Upstreams {
    /// Processes with the role `auth`.
    pub auth: Vec<Url>,
    /// Processes with the role `core`.
    pub core: Vec<Url>,
    /// Processes with the role `mcp`.
    pub mcp: Vec<Url>,
}
