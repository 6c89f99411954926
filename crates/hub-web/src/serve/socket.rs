//! A TCP socket that watches itself: tells the watch when bytes come, fails when the client leaves our bytes unread, and
//! closes gently when the client is still sending.
//!
//! The gentle close is for early answers (413, 401, …): we end our side, then read and throw away what still comes, up
//! to a bound, because closing with unread bytes would reset the connection and destroy the answer on its way.
//!
//! It also tells which protocol the client speaks, and gives the bytes it has read for that back in front of the next ones. A wrapper that
//! hands them out by themselves would make hyper read a head into two buffers of 8 KiB instead of one, and keep both.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::watch::Watch;
use super::{Place, ServeOptions};

/// Most bytes that are thrown away for a client that does not stop sending.
const MAX_LINGER_BYTES: usize = 128 * 1024 * 1024;
const LINGER_BUFFER: usize = 16 * 1024;
/// What an HTTP/2 client sends first (RFC 9113 §3.4).
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.0 or 1.1, or no HTTP at all, which the parser will find.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// One accepted socket.
pub(super) struct Socket {
    stream: TcpStream,
    watch: Arc<Watch>,
    write_timeout: Duration,
    linger: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    closing: Option<Closing>,
    opening: Opening,
    _place: Place,
}

/// The first bytes, read to tell the protocol and not yet handed out.
#[derive(Default)]
struct Opening {
    bytes: [u8; HTTP2_PREFACE.len()],
    filled: u8,
    taken: u8,
}

struct Closing {
    deadline: Pin<Box<Sleep>>,
    left: usize,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, watch: Arc<Watch>, options: &ServeOptions, place: Place) -> Self {
        Self {
            stream,
            watch,
            write_timeout: options.write_timeout,
            linger: options.linger,
            stalled: None,
            closing: None,
            opening: Opening::default(),
            _place: place,
        }
    }

    /// Reads as much as it takes to know the protocol; `None` when the client closes before it has sent anything.
    pub(super) async fn protocol(&mut self) -> io::Result<Option<Protocol>> {
        poll_fn(|cx| self.poll_protocol(cx)).await
    }

    fn poll_protocol(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Protocol>>> {
        loop {
            let filled = usize::from(self.opening.filled);
            if self.opening.bytes[..filled] != HTTP2_PREFACE[..filled] {
                return Poll::Ready(Ok(Some(Protocol::Http1)));
            }
            if filled == HTTP2_PREFACE.len() {
                return Poll::Ready(Ok(Some(Protocol::Http2)));
            }
            let mut buf = ReadBuf::new(&mut self.opening.bytes[filled..]);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
            match u8::try_from(buf.filled().len()) {
                Ok(came @ 1..) => self.opening.filled += came,
                _ => return Poll::Ready(Ok((filled > 0).then_some(Protocol::Http1))),
            }
        }
    }

    /// Passes a write's outcome on, unless it has been pending for too long.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let limit = self.write_timeout;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl Opening {
    /// Puts what is left in front; true when there was something.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let left = &self.bytes[usize::from(self.taken)..usize::from(self.filled)];
        let count = left.len().min(buf.remaining());
        buf.put_slice(&left[..count]);
        // At most 24.
        self.taken += u8::try_from(count).unwrap_or(0);
        count > 0
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let opened = self.opening.give(buf);
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.watch.bytes_read();
        }
        // What was there before is given in any case; that nothing follows, or that the connection broke, shows in the next read.
        if opened { Poll::Ready(Ok(())) } else { outcome }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bounded(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.bounded(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.watch.must_linger() {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger;
        let closing =
            this.closing.get_or_insert_with(|| Closing { deadline: Box::pin(sleep(linger)), left: MAX_LINGER_BYTES });
        let mut space = [0_u8; LINGER_BUFFER];
        loop {
            if closing.deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut space);
            // Errors end it too: then there is nobody left to be gentle with.
            let Ok(()) = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf)) else {
                return Poll::Ready(Ok(()));
            };
            let came = buf.filled().len();
            closing.left = closing.left.saturating_sub(came);
            if came == 0 || closing.left == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
