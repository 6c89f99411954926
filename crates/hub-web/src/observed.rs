//! One body that tells somebody what passes through it. What is told, and what follows from it, is the observer's.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// What an observer is told. Everything is optional.
pub(crate) trait Observer: Unpin {
    /// A piece of this many bytes came; an error takes its place.
    fn data(&mut self, _bytes: u64) -> Result<(), axum::Error> {
        Ok(())
    }

    /// The last piece has come.
    fn end(&mut self) {}

    /// Nobody reads on; `ended` when there would have been nothing more.
    fn dropped(&mut self, _ended: bool) {}
}

/// `inner`, observed.
pub(crate) struct Observed<B: HttpBody, O: Observer> {
    inner: B,
    observer: O,
}

impl<B: HttpBody, O: Observer> Observed<B, O> {
    pub(crate) fn new(inner: B, observer: O) -> Self {
        Self { inner, observer }
    }
}

impl<B, O> HttpBody for Observed<B, O>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
    O: Observer,
{
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        let polled = std::task::ready!(Pin::new(&mut this.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &polled {
            let size = frame.data_ref().map_or(0, |data| data.len() as u64);
            if let Err(error) = this.observer.data(size) {
                return Poll::Ready(Some(Err(error)));
            }
        }
        if polled.is_none() || this.inner.is_end_stream() {
            this.observer.end();
        }
        Poll::Ready(polled.map(|result| result.map_err(axum::Error::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: HttpBody, O: Observer> Drop for Observed<B, O> {
    fn drop(&mut self) {
        self.observer.dropped(self.inner.is_end_stream());
    }
}
