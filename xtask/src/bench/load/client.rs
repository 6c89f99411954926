//! One caller: a kept connection, a prepared request, and an answer that is read to its last byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(30);

/// A request to be sent again and again.
pub(in crate::bench) struct Call {
    address: SocketAddr,
    bytes: Vec<u8>,
    /// Pieces of the answer; 0 for one that is not streamed.
    pub(in crate::bench) pieces: u64,
}

impl Call {
    /// A call that is answered in one piece.
    pub(in crate::bench) fn whole(address: SocketAddr, bearer: &str) -> Self {
        Self::new(address, bearer, 0, "")
    }

    /// A call that is answered in so many pieces.
    pub(in crate::bench) fn stream(address: SocketAddr, bearer: &str, pieces: u64) -> Self {
        let fields = format!(r#","stream":true,"stream_options":{{"include_usage":true}},"seed":{pieces}"#);
        Self::new(address, bearer, pieces, &fields)
    }

    fn new(address: SocketAddr, bearer: &str, pieces: u64, fields: &str) -> Self {
        let body = format!(
            r#"{{"model":"gpt-4o-mini","max_tokens":256,"messages":[{{"role":"system","content":"You are terse."}},{{"role":"user","content":"Say something about foxes and dogs."}}]{fields}}}"#
        );
        let bytes = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {bearer}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self { address, bytes: bytes.into_bytes(), pieces }
    }
}

/// When the first and the last byte of an answer came.
#[derive(Clone, Copy)]
pub(in crate::bench) struct Times {
    /// First byte of the body.
    pub(in crate::bench) first: Instant,
    /// Last byte.
    pub(in crate::bench) last: Instant,
}

/// A kept connection.
pub(in crate::bench) struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub(in crate::bench) fn open(call: &Call) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&call.address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Sends the call and reads its answer; anything but a whole 200 is an error.
    pub(in crate::bench) fn send(&mut self, call: &Call) -> Result<Times> {
        self.reader.get_mut().write_all(&call.bytes)?;
        let mut line = String::new();
        self.line(&mut line)?;
        if !line.starts_with("HTTP/1.1 200") {
            let mut rest = vec![0; 2000];
            let count = self.reader.read(&mut rest).unwrap_or(0);
            bail!("answered {}: {}", line.trim_end(), String::from_utf8_lossy(&rest[..count]));
        }
        let mut length = None;
        loop {
            self.line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse::<usize>().ok();
            }
        }
        let first;
        if let Some(length) = length {
            first = self.arrival()?;
            self.skip(length)?;
        } else {
            first = self.arrival()?;
            let mut pieces = 0;
            loop {
                self.line(&mut line)?;
                let size = usize::from_str_radix(line.trim(), 16).context("a chunk without a size")?;
                self.skip(size + 2)?;
                if size == 0 {
                    break;
                }
                pieces += 1;
            }
            if call.pieces > 0 && pieces == 0 {
                bail!("an empty stream");
            }
        }
        Ok(Times { first, last: Instant::now() })
    }

    fn arrival(&mut self) -> Result<Instant> {
        self.reader.fill_buf()?;
        Ok(Instant::now())
    }

    fn line(&mut self, line: &mut String) -> Result<()> {
        line.clear();
        if self.reader.read_line(line)? == 0 {
            bail!("the connection was closed");
        }
        Ok(())
    }

    fn skip(&mut self, mut bytes: usize) -> Result<()> {
        while bytes > 0 {
            let there = self.reader.fill_buf()?.len().min(bytes);
            if there == 0 {
                bail!("the connection was closed in the answer");
            }
            self.reader.consume(there);
            bytes -= there;
        }
        Ok(())
    }
}
