//! One connection: hyper speaks HTTP on the watched socket, the router answers, the clock is kept.
//!
//! The protocol is told by the client's first bytes, and each has its own builder: hyper-util's, which tells them apart itself, costs every
//! HTTP/1 connection 8 KiB more for as long as it lives.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use axum::{BoxError, Router};
use http::header::EXPECT;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::socket::Protocol;
use super::unread::Arriving;
use super::watch::Watch;
use super::{Place, ServeOptions, Socket};
use crate::observed::{Observed, Observer};

/// HTTP/2 requests of one connection that are served at once.
const MAX_STREAMS: u32 = 200;

/// What all connections of a listener share.
pub(super) struct Server {
    app: Router,
    options: ServeOptions,
    http1: http1::Builder,
    http2: http2::Builder<Tracked>,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Server {
    pub(super) fn new(
        app: Router,
        options: ServeOptions,
        tasks: TaskTracker,
        stop: CancellationToken,
        kill: CancellationToken,
    ) -> Self {
        let mut http1 = http1::Builder::new();
        // hyper's own header timer also runs while a connection rests; the watch keeps the two limits apart.
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(options.max_header_bytes.max(8192))
            // One read may bring more than the buffer was meant for; this limit is exact.
            .max_header_size(options.max_header_bytes);
        // Hyper parses into the stack for its default of 100 and into the heap for any other number.
        if options.max_headers != 100 {
            http1.max_headers(options.max_headers);
        }
        let mut http2 = http2::Builder::new(Tracked(tasks));
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(options.idle_timeout)
            .keep_alive_timeout(options.header_timeout);
        Self { app, options, http1, http2, stop, kill }
    }

    /// Serves one connection to its end.
    pub(super) async fn run(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, place: Place) {
        // Without it the last small piece of a stream waits for the client's delayed acknowledgement (40 ms).
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection is already gone");
            return;
        }
        let watch = Arc::new(Watch::new(self.options.header_timeout, self.options.idle_timeout));
        let mut socket = Socket::new(stream, Arc::clone(&watch), &self.options, place);
        let spoken = tokio::select! {
            spoken = socket.protocol() => spoken,
            () = sleep(self.options.header_timeout) => return,
            // Nothing was asked yet.
            () = self.stop.cancelled() => return,
        };
        let Ok(Some(protocol)) = spoken else { return };
        let answering = service_fn(|request| answer(self.app.clone(), Arc::clone(&watch), peer, request));
        match protocol {
            Protocol::Http1 => {
                let connection = self.http1.serve_connection(TokioIo::new(socket), answering).with_upgrades();
                self.serve(pin!(connection), &watch).await;
            }
            Protocol::Http2 => {
                // Boxed, or every HTTP/1 connection would have the room for it.
                let mut connection = Box::pin(self.http2.serve_connection(TokioIo::new(socket), answering));
                self.serve(connection.as_mut(), &watch).await;
            }
        }
    }

    async fn serve(&self, connection: Pin<&mut impl Connection>, watch: &Watch) {
        tokio::select! {
            () = self.drive(connection, watch) => {}
            () = self.kill.cancelled() => {}
        }
    }

    /// Polls the connection and closes it when the watch says so, or begins to when the hub stops.
    async fn drive(&self, mut connection: Pin<&mut impl Connection>, watch: &Watch) {
        let mut timer = pin!(sleep_until(Instant::now() + self.options.header_timeout));
        let mut stopping = pin!(self.stop.cancelled());
        let mut closing = false;
        std::future::poll_fn(|cx| {
            if !closing && stopping.as_mut().poll(cx).is_ready() {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(outcome) = connection.as_mut().poll(cx) {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "connection ended with an error");
                }
                return Poll::Ready(());
            }
            // The timer is moved back only when a nearer deadline appeared; a later one is met when it fires.
            if let Some(deadline) = watch.deadline().filter(|deadline| *deadline < timer.deadline()) {
                timer.as_mut().reset(deadline);
            }
            while timer.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                match watch.deadline() {
                    Some(deadline) if deadline > now => timer.as_mut().reset(deadline),
                    Some(_) if closing || !watch.is_resting() => return Poll::Ready(()),
                    Some(_) => {
                        // Resting: say goodbye (HTTP/2 has a frame for it) and give that a moment.
                        closing = true;
                        connection.as_mut().graceful_shutdown();
                        timer.as_mut().reset(now + self.options.header_timeout);
                        cx.waker().wake_by_ref();
                    }
                    None => timer.as_mut().reset(now + self.options.idle_timeout),
                }
            }
            Poll::Pending
        })
        .await;
    }
}

/// A connection of either protocol.
trait Connection: Future<Output = hyper::Result<()>> {
    /// Lets what is being answered finish and takes nothing new.
    fn graceful_shutdown(self: Pin<&mut Self>);
}

impl<S, B> Connection for http1::UpgradeableConnection<TokioIo<Socket>, S>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: HttpBody + 'static,
    B::Error: Into<BoxError>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        http1::UpgradeableConnection::graceful_shutdown(self);
    }
}

impl<S, B> Connection for http2::Connection<TokioIo<Socket>, S, Tracked>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        http2::Connection::graceful_shutdown(self);
    }
}

async fn answer(
    mut app: Router,
    watch: Arc<Watch>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Observed<Body, Serving>>, Infallible> {
    let http2 = request.version() == Version::HTTP_2;
    let has_body = !request.body().is_end_stream();
    let waiting = request.headers().contains_key(EXPECT);
    watch.request_began(http2, has_body);
    let serving = Serving(Arc::clone(&watch));
    let mut rest = None;
    let mut request = request.map(|inner| {
        if !has_body || http2 {
            return Body::new(inner);
        }
        let (arriving, unread) = Arriving::new(inner, Arc::clone(&watch));
        rest = Some(unread);
        Body::new(arriving)
    });
    request.extensions_mut().insert(ConnectInfo(peer));
    let mut response = app.call(request).await?;
    if let Some(rest) = rest {
        rest.settle(&watch, waiting, &mut response).await;
    }
    Ok(response.map(|inner| Observed::new(inner, serving)))
}

/// Keeps the request counted as being served until its answer is gone or given up.
struct Serving(Arc<Watch>);

impl Observer for Serving {}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

/// Runs hyper's HTTP/2 streams as tracked tasks.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
