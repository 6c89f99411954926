//! The body of an answer. While nothing comes it has no buffer: bytes are read onto the stack, and what is the body's is copied out.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use super::chunked::Chunked;
use super::pool::Lent;

/// Read at once, in bytes.
const READ: usize = 16 * 1024;

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes are to come.
    Length(u64),
    /// The coding says it.
    Chunked(Chunked),
    /// The server closes the connection.
    Close,
}

/// A body, read piece by piece. Read to its end it gives its connection back, dropped before it closes it.
pub(in crate::llm::http) struct Body {
    lent: Lent,
    framing: Framing,
    /// What came with the head.
    ready: Bytes,
    /// What follows once that is given out.
    failed: Option<io::Error>,
}

impl Body {
    /// `rest` is what came with the head.
    pub(super) fn new(lent: Lent, framing: Framing, rest: &[u8]) -> Self {
        let mut body = Self { lent, framing, ready: Bytes::new(), failed: None };
        body.ready = body.take(rest);
        body
    }

    /// The next piece as it comes; `None` at the end.
    pub(in crate::llm::http) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if !self.ready.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.ready))));
        }
        loop {
            if let Some(error) = self.failed.take() {
                self.lent.close();
                return Poll::Ready(Err(error));
            }
            if self.framing.is_over() {
                return Poll::Ready(Ok(None));
            }
            let mut space = [MaybeUninit::uninit(); READ];
            let mut buf = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(self.lent.stream()?).poll_read(cx, &mut buf)) {
                Ok(()) if buf.filled().is_empty() => self.closed(),
                Ok(()) => {
                    let data = self.take(buf.filled());
                    if !data.is_empty() {
                        return Poll::Ready(Ok(Some(data)));
                    }
                }
                Err(error) => self.failed = Some(error),
            }
        }
    }

    /// Takes bytes of the connection and gives those of the body. At its end the connection goes back, unless more came than that.
    fn take(&mut self, bytes: &[u8]) -> Bytes {
        let mut data = Vec::with_capacity(bytes.len());
        let taken = match &mut self.framing {
            Framing::Length(left) => {
                let count = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= count as u64;
                data.extend_from_slice(&bytes[..count]);
                Ok(count)
            }
            Framing::Chunked(chunked) => chunked.take(bytes, &mut data),
            Framing::Close => {
                data.extend_from_slice(bytes);
                Ok(bytes.len())
            }
        };
        match taken {
            Ok(taken) if self.framing.is_over() => {
                self.lent.reusable(taken == bytes.len());
                self.lent.give_back();
            }
            Ok(_) => {}
            // What came before it is given out first.
            Err(error) => self.failed = Some(error),
        }
        data.into()
    }

    /// The server has closed the connection: the end of some bodies.
    fn closed(&mut self) {
        if self.framing == Framing::Close {
            self.framing = Framing::Length(0);
        } else {
            self.failed = Some(io::ErrorKind::UnexpectedEof.into());
        }
        self.lent.close();
    }
}

impl Framing {
    const fn is_over(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_over(),
            Self::Close => false,
        }
    }
}
