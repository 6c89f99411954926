//! Where a request goes, and a connection to it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use url::{Host, Url};

/// Most addresses tried of one name.
const MOST: usize = 8;

/// Scheme is always `http`; what else makes two addresses the same server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    host: Host,
    port: u16,
}

impl Origin {
    pub(super) fn of(url: &Url) -> io::Result<Self> {
        let nowhere = || io::Error::new(io::ErrorKind::InvalidInput, "an address without a host");
        let host = url.host().ok_or_else(nowhere)?.to_owned();
        Ok(Self { host, port: url.port_or_known_default().ok_or_else(nowhere)? })
    }

    /// Connects. Of several addresses each has an equal part of `within`, so that one that swallows packets does not hide the others.
    pub(super) async fn connect(&self, within: Duration) -> io::Result<TcpStream> {
        let addresses: Vec<SocketAddr> = match &self.host {
            Host::Ipv4(address) => vec![(*address, self.port).into()],
            Host::Ipv6(address) => vec![(*address, self.port).into()],
            Host::Domain(name) => lookup_host((name.as_str(), self.port)).await?.take(MOST).collect(),
        };
        let part = within / u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match timeout(part, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Small pieces must not wait for the other side's acknowledgement.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }
}
