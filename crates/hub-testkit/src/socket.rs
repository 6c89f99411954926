//! The same router on a real socket, for WebSockets, hang-ups and clients that bring their own HTTP.

use std::net::SocketAddr;

use http::HeaderValue;
use http::header::{AUTHORIZATION, ORIGIN};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::TestHub;

/// An open WebSocket.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Where a test hub listens; it stops with the hub.
#[derive(Debug, Clone, Copy)]
pub struct TestSocket {
    /// Address and port, chosen by the system.
    pub address: SocketAddr,
}

impl TestHub {
    /// Serves this hub on a port of the system's choice, with the accept loop of the binary.
    pub async fn socket(&self) -> TestSocket {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let stop = self.hub.tasks.stop().clone();
        let serving = hub_web::serve(listener, self.app.clone(), self.serving, stop, self.connections.clone());
        self.hub.tasks.spawn(serving);
        TestSocket { address }
    }
}

impl TestSocket {
    /// `http://127.0.0.1:port` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Opens a WebSocket, with a credential in the header where one is given.
    pub async fn websocket(&self, path: &str, bearer: Option<&str>) -> Result<Socket, tungstenite::Error> {
        self.websocket_from(path, bearer, None).await
    }

    /// The same from a page, as a browser says it.
    pub async fn websocket_from(
        &self,
        path: &str,
        bearer: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Socket, tungstenite::Error> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request()?;
        if let Some(token) = bearer {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header value");
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        if let Some(origin) = origin {
            request.headers_mut().insert(ORIGIN, HeaderValue::from_str(origin).expect("a header value"));
        }
        tokio_tungstenite::connect_async(request).await.map(|(socket, _)| socket)
    }
}
