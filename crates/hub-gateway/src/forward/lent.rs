//! A request body that can be taken back as long as nobody has begun to read it.
//!
//! A target that refuses the connection has not seen the body, so it can go to the next one without being held whole.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// The owner's side.
pub(super) struct Lent {
    home: Arc<Mutex<Option<Body>>>,
    hint: SizeHint,
}

impl Lent {
    pub(super) fn new(body: Body) -> Self {
        let hint = body.size_hint();
        Self { home: Arc::new(Mutex::new(Some(body))), hint }
    }

    /// A body that fetches the real one when it is first read.
    pub(super) fn lend(&self) -> Body {
        Body::new(Borrowed { home: Arc::clone(&self.home), taken: None, hint: self.hint })
    }

    /// True as long as nobody has begun to read.
    pub(super) fn is_home(&self) -> bool {
        self.home.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

struct Borrowed {
    home: Arc<Mutex<Option<Body>>>,
    taken: Option<Body>,
    hint: SizeHint,
}

impl HttpBody for Borrowed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.taken.is_none() {
            let taken = self.home.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.taken = taken;
        }
        match &mut self.taken {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.taken.as_ref().is_some_and(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.taken.as_ref().map_or_else(|| self.hint, HttpBody::size_hint)
    }
}
