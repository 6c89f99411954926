//! The upstream: an OpenAI-compatible server whose streams get a piece a second, all from one thread.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::bench::load::upstream::{chunk, request, write_whole};

/// Pause between two pieces of a stream.
const PAUSE: Duration = Duration::from_secs(1);
/// Pieces of a stream that nobody ends.
const MOST: u32 = 150;
const STACK: usize = 128 * 1024;

/// The running server; it ends with the process.
pub(super) struct Upstream {
    address: SocketAddr,
    running: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
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
        let end = Arc::new(AtomicBool::new(false));
        let (ticking, counted, ending) = (Arc::clone(&streams), Arc::clone(&running), Arc::clone(&end));
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(PAUSE);
                let mut streams = ticking.lock().unwrap_or_else(PoisonError::into_inner);
                let end = ending.load(Ordering::Relaxed);
                streams.retain_mut(|stream| advance(stream, end));
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
        Ok(Self { address, running, end })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets all streams end with their next piece.
    pub(super) fn end(&self) {
        self.end.store(true, Ordering::Relaxed);
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
        if advance(&mut stream, false) {
            streams.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
            // Either way the stream is over.
            let _ = end.recv();
        }
    }
    Ok(())
}

/// Writes the next piece, or the end; `false` after that, or when the hub has gone.
fn advance(stream: &mut Slow, end: bool) -> bool {
    stream.pieces += 1;
    let last = end || stream.pieces > MOST;
    let pieces = stream.pieces - 1;
    let event = |fields: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1795000000,\"model\":\"gpt-4o-mini\",{fields}}}\n\n"
        )
    };
    let text = if last {
        let stop = event(r#""choices":[{"index":0,"delta":{},"finish_reason":"stop"}]"#);
        let usage = event(&format!(
            r#""choices":[],"usage":{{"prompt_tokens":12,"completion_tokens":{pieces},"total_tokens":{}}}"#,
            pieces + 12
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
