//! How slowly a request body may arrive.
//!
//! Two rules in one deadline: no pause longer than the idle limit, and beyond a grace of the same length an average of
//! at least a few hundred bytes a second. The second rule stops a client that sends one byte now and then for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Version};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::BodyError;

/// How patient we are with a sender.
#[derive(Debug, Clone, Copy)]
pub struct BodyTimeout {
    /// Longest pause between two pieces, and the grace before the rate counts. Default 20 s.
    pub idle: Duration,
    /// Bytes per second that a sender must reach on average after the grace. Default 512; 0 switches the rule off.
    pub min_rate: u32,
}

impl Default for BodyTimeout {
    fn default() -> Self {
        Self { idle: Duration::from_secs(20), min_rate: 512 }
    }
}

/// Answers 408 when a request body arrives too slowly. Streams that we send are not concerned.
pub fn with_body_timeout(router: Router, limit: BodyTimeout) -> Router {
    router.layer(from_fn_with_state(limit, body_timeout))
}

async fn body_timeout(State(limit): State<BodyTimeout>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let version = request.version();
    let tripped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&tripped);
    let request = request.map(|inner| {
        let mut body = IdleLimited::new(inner, limit.idle, BodyError::TooSlow);
        body.min_rate = limit.min_rate;
        body.tripped = Some(flag);
        Body::new(body)
    });
    let response = next.run(request).await;
    if !tripped.load(Ordering::Relaxed) || response.status().is_success() {
        return response;
    }
    let mut response = BodyError::TooSlow.to_api_error().into_response();
    if version <= Version::HTTP_11 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body that fails when nothing arrives for too long. Time spent by the reader does not count, only waiting does.
pub struct IdleLimited<B> {
    inner: B,
    idle: Duration,
    min_rate: u32,
    error: BodyError,
    tripped: Option<Arc<AtomicBool>>,
    /// Time spent waiting so far, and bytes that came.
    waited: Duration,
    received: u64,
    wait: Option<Wait>,
}

struct Wait {
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<B> IdleLimited<B> {
    /// Fails with `error` after `idle` without a piece of `inner`.
    pub fn new(inner: B, idle: Duration, error: BodyError) -> Self {
        Self { inner, idle, min_rate: 0, error, tripped: None, waited: Duration::ZERO, received: 0, wait: None }
    }

    /// How long the next piece may take.
    fn patience(&self) -> Duration {
        if self.min_rate == 0 {
            return self.idle;
        }
        let earned = Duration::from_millis(self.received.saturating_mul(1000) / u64::from(self.min_rate));
        self.idle.min((self.idle + earned).saturating_sub(self.waited))
    }
}

impl<B> HttpBody for IdleLimited<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(polled) = Pin::new(&mut this.inner).poll_frame(cx) {
            if let Some(wait) = this.wait.take() {
                this.waited += wait.since.elapsed();
            }
            if let Some(Ok(frame)) = &polled {
                this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            return Poll::Ready(polled.map(|result| result.map_err(axum::Error::new)));
        }
        let patience = this.patience();
        let wait = this.wait.get_or_insert_with(|| {
            let since = Instant::now();
            Wait { since, timer: Box::pin(sleep_until(since + patience)) }
        });
        ready!(wait.timer.as_mut().poll(cx));
        if let Some(flag) = &this.tripped {
            flag.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Some(Err(axum::Error::new(this.error))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
