//! What becomes of a request's body that nobody has read when the answer is there.
//!
//! On HTTP/1 the next request stands behind it. A little that has arrived is thrown away, and the connection goes on; with more of it the answer
//! says that the connection ends, so that no client sends a request behind bytes that nobody will read.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONNECTION;
use http_body::{Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use tokio::time::timeout;

use super::watch::Watch;

/// The most that is thrown away, in bytes.
const LITTLE: u64 = 64 * 1024;
/// How long it may take to arrive: many clients send a body right behind its head, in a packet of its own.
const SOON: Duration = Duration::from_millis(20);

/// A request's body; what was not read of it is found in its [`Rest`].
pub(super) struct Arriving {
    body: Option<Incoming>,
    rest: Rest,
    watch: Arc<Watch>,
}

/// Where a body goes that is dropped before its end.
#[derive(Clone, Default)]
pub(super) struct Rest(Arc<Mutex<Option<Incoming>>>);

impl Arriving {
    pub(super) fn new(body: Incoming, watch: Arc<Watch>) -> (Self, Rest) {
        let rest = Rest::default();
        (Self { body: Some(body), rest: rest.clone(), watch }, rest)
    }
}

impl Rest {
    /// Makes an answer true that came before the body was read: the connection is fit for the next request, or the answer says that it ends.
    /// A `waiting` client sends its body only when it is asked to, and is not.
    pub(super) async fn settle<B>(self, watch: &Watch, waiting: bool, response: &mut Response<B>) {
        let Some(body) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let little = body.size_hint().upper().is_some_and(|length| length <= LITTLE);
        if little && !waiting && timeout(SOON, read(body)).await == Ok(true) {
            watch.body_read();
            return;
        }
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Throws a body away; `false` when it broke off.
async fn read(body: Incoming) -> bool {
    let mut body = pin!(body);
    loop {
        match std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            Some(Ok(_)) => {}
            Some(Err(_)) => return false,
            None => return true,
        }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let polled = std::task::ready!(Pin::new(&mut *body).poll_frame(cx));
        if polled.is_none() || body.is_end_stream() {
            this.watch.body_read();
            this.body = None;
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            *self.rest.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}
