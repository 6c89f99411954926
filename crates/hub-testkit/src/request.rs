//! A request through the router that the binary serves.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use serde::Serialize;
use tower::ServiceExt;

use crate::{TestResponse, TestStream};

/// The most a test waits for an answer to begin, and for each piece of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A request being written.
#[must_use = "a request does nothing until it is sent"]
pub struct TestRequest {
    app: Router,
    request: Request<Bytes>,
    from: IpAddr,
}

impl TestRequest {
    pub(crate) fn new(app: Router, method: Method, path: &str) -> Self {
        let request = Request::builder().method(method).uri(path).header(HOST, "127.0.0.1:3000");
        let request = request.body(Bytes::new()).expect("a path");
        Self { app, request, from: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }

    /// `Authorization: Bearer …`, with an access token or an API key.
    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        self.request.headers_mut().append(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// A JSON body.
    pub fn json(self, body: &(impl Serialize + ?Sized)) -> Self {
        let bytes = serde_json::to_vec(body).expect("JSON");
        self.header(CONTENT_TYPE.as_str(), "application/json").body(bytes)
    }

    /// Any body; says nothing about its type.
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = bytes.into();
        self
    }

    /// The client's address.
    pub fn from(mut self, address: &str) -> Self {
        self.from = address.parse().expect("an address");
        self
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> TestResponse {
        TestResponse::read(self.begin().await).await
    }

    /// Sends it and leaves the answer's body to be read piece by piece; dropping it is what a client does that hangs up.
    pub async fn stream(self) -> TestStream {
        TestStream::new(self.begin().await)
    }

    async fn begin(self) -> Response<Body> {
        let mut request = self.request.map(Body::from);
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(self.from, 40_000)));
        let what = format!("{} {}", request.method(), request.uri());
        let answer = tokio::time::timeout(PATIENCE, self.app.oneshot(request)).await;
        match answer.unwrap_or_else(|_| panic!("{what} is not answered")) {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
