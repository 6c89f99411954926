//! The upstream of the benchmark: an OpenAI-compatible server that answers at once, or in pieces two milliseconds apart.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Pause between two pieces.
const PAUSE: Duration = Duration::from_millis(2);
/// Largest request that is read, in bytes.
const LARGEST: usize = 1024 * 1024;
const WHOLE: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1795000000,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":10,"total_tokens":22,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}"#;

/// The running server; it ends with the process or when dropped.
pub(super) struct Upstream {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Upstream {
    pub(super) fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, stop) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // A connection that breaks is the business of whoever opened it.
                std::thread::spawn(move || drop(serve(&connection)));
            }
        });
        Ok(Self { address, stop })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The listener waits for a connection; give it one.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(connection: &TcpStream) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut writer = connection.try_clone()?;
    loop {
        let Some(body) = request(&mut reader)? else { return Ok(()) };
        match pieces(&body) {
            None => write_whole(&mut writer)?,
            Some(pieces) => stream(&mut writer, pieces)?,
        }
    }
}

/// The answer to a call that is not streamed.
pub(in crate::bench) fn write_whole(writer: &mut impl Write) -> std::io::Result<()> {
    let length = WHOLE.len();
    write!(writer, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{WHOLE}")
}

/// The body of the next request; `None` when the caller has hung up.
pub(in crate::bench) fn request(reader: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<usize>().unwrap_or(0).min(LARGEST);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(body))
}

/// How many pieces a streamed answer is to have: the load puts the number into `seed`.
fn pieces(body: &[u8]) -> Option<u64> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    (body.get("stream") == Some(&serde_json::Value::Bool(true)))
        .then(|| body.get("seed").and_then(serde_json::Value::as_u64))?
}

fn stream(writer: &mut impl Write, pieces: u64) -> std::io::Result<()> {
    writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let start = Instant::now();
    for number in 0..pieces {
        let text = format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1795000000,\"model\":\"gpt-4o-mini\",\
             \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word{number}\"}},\"logprobs\":null,\"finish_reason\":null}}],\"usage\":null}}\n\n"
        );
        chunk(writer, &text)?;
        // By the clock, so that a late wake-up does not make the stream longer.
        let due = PAUSE * u32::try_from(number + 1).unwrap_or(u32::MAX);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
    chunk(
        writer,
        &format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1795000000,\"model\":\"gpt-4o-mini\",\
             \"choices\":[{{\"index\":0,\"delta\":{{}},\"logprobs\":null,\"finish_reason\":\"stop\"}}],\"usage\":null}}\n\n\
             data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1795000000,\"model\":\"gpt-4o-mini\",\
             \"choices\":[],\"usage\":{{\"prompt_tokens\":12,\"completion_tokens\":{pieces},\"total_tokens\":{}}}}}\n\ndata: [DONE]\n\n",
            pieces + 12
        ),
    )?;
    writer.write_all(b"0\r\n\r\n")
}

/// One chunk of a body.
pub(in crate::bench) fn chunk(writer: &mut impl Write, text: &str) -> std::io::Result<()> {
    writer.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
}
