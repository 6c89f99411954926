//! The upstream: an OpenAI-compatible server whose streams get a piece a second, all from one thread.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::bench::load::upstream::{chunk, request, write_whole};

/// Pause between two pieces of a stream.
const PAUSE: Duration = Duration::from_secs(1);
/// Pieces of a stream: it must outlast the opening of all others.
const PIECES: u32 = 45;
/// How long a stream lasts.
pub(super) const LASTS: Duration = PAUSE.saturating_mul(PIECES);
const STACK: usize = 128 * 1024;

/// The running server; it ends with the process.
pub(super) struct Upstream {
    address: SocketAddr,
    running: Arc<AtomicU64>,
}

/// A stream, the pieces it has had, and the connection's thread that waits for its end.
struct Slow {
    writer: TcpStream,
    pieces: u32,
    ended: std::sync::mpsc::Sender<()>,
}

impl Upstream {
    pub(super) fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (streams, running) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
        let (ticking, counted) = (Arc::clone(&streams), Arc::clone(&running));
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(PAUSE);
                let mut streams = ticking.lock().unwrap_or_else(PoisonError::into_inner);
                streams.retain_mut(advance);
                counted.store(streams.len() as u64, Ordering::Relaxed);
            }
        });
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let streams = Arc::clone(&streams);
                // A connection that breaks is the business of whoever opened it.
                let serve = move || drop(serve(&connection, &streams));
                drop(std::thread::Builder::new().stack_size(STACK).spawn(serve));
            }
        });
        Ok(Self { address, running })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Streams that have begun and not ended, up to a second ago.
    pub(super) fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }
}

fn serve(connection: &TcpStream, streams: &Mutex<Vec<Slow>>) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut writer = connection.try_clone()?;
    while let Some(body) = request(&mut reader)? {
        let streamed = serde_json::from_slice::<serde_json::Value>(&body)
            .is_ok_and(|body| body.get("stream") == Some(&serde_json::Value::Bool(true)));
        if !streamed {
            write_whole(&mut writer)?;
            continue;
        }
        writer
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let (ended, end) = std::sync::mpsc::channel();
        let mut stream = Slow { writer: writer.try_clone()?, pieces: 0, ended };
        if advance(&mut stream) {
            streams.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
            // Either way the stream is over.
            let _ = end.recv();
        }
    }
    Ok(())
}

/// Writes the next piece; `false` after the last one, or when the hub has gone.
fn advance(stream: &mut Slow) -> bool {
    stream.pieces += 1;
    let last = stream.pieces > PIECES;
    let event = |fields: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1795000000,\"model\":\"gpt-4o-mini\",{fields}}}\n\n"
        )
    };
    let text = if last {
        let stop = event(r#""choices":[{"index":0,"delta":{},"finish_reason":"stop"}]"#);
        let usage = event(&format!(
            r#""choices":[],"usage":{{"prompt_tokens":12,"completion_tokens":{PIECES},"total_tokens":{}}}"#,
            PIECES + 12
        ));
        format!("{stop}{usage}data: [DONE]\n\n")
    } else {
        event(r#""choices":[{"index":0,"delta":{"content":" slowly"},"finish_reason":null}]"#)
    };
    let written = chunk(&mut stream.writer, &text).is_ok();
    if last && written {
        drop(stream.writer.write_all(b"0\r\n\r\n"));
    }
    if last || !written {
        // The connection's thread may have gone with its connection.
        let _ = stream.ended.send(());
    }
    written && !last
}
