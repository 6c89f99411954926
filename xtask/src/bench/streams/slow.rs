//! Callers of slow streams: each has read the head of its answer, and reads the rest when all are told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(30);
/// Opened at once.
const OPENERS: usize = 16;
const BODY: &str = r#"{"model":"gpt-4o-mini","max_tokens":200,"stream":true,"messages":[{"role":"user","content":"Say something, slowly."}]}"#;

/// Streams that have begun. What comes meanwhile waits in the kernel, whose buffers hold far more than all of it: the hub is never held up.
pub(super) struct Streams(Vec<BufReader<TcpStream>>);

impl Streams {
    /// Begins so many and waits for the head of each answer.
    pub(super) fn open(address: SocketAddr, key: &str, count: u32) -> Result<Self> {
        eprintln!("opening {count} streams");
        let count = usize::try_from(count)?;
        let streams = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..OPENERS)
                .map(|first| {
                    scope.spawn(move || (first..count).step_by(OPENERS).map(|_| begin(address, key)).collect())
                })
                .collect();
            let mut streams = Vec::new();
            for thread in threads {
                let opened: Result<Vec<_>> = thread.join().ok().context("a thread panicked")?;
                streams.extend(opened?);
            }
            anyhow::Ok(streams)
        })?;
        Ok(Self(streams))
    }

    /// Reads all to their ends; an error unless each has its end mark, which comes only once the call is paid for.
    pub(super) fn read_to_end(self) -> Result<()> {
        for mut stream in self.0 {
            let (mut line, mut done) = (String::new(), false);
            while line != "0\r\n" {
                line.clear();
                if stream.read_line(&mut line).context("a stream was not readable")? == 0 {
                    bail!("a stream broke off");
                }
                done |= line == "data: [DONE]\n";
            }
            if !done {
                bail!("a stream ended without its end mark");
            }
        }
        Ok(())
    }
}

fn begin(address: SocketAddr, key: &str) -> Result<BufReader<TcpStream>> {
    let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::with_capacity(1024, socket);
    write!(
        reader.get_mut(),
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{BODY}",
        BODY.len()
    )?;
    let mut line = String::new();
    reader.read_line(&mut line).context("a call was not answered")?;
    if !line.starts_with("HTTP/1.1 200") {
        let mut rest = [0; 2000];
        let count = reader.read(&mut rest).unwrap_or(0);
        bail!("a call was answered {}: {}", line.trim_end(), String::from_utf8_lossy(&rest[..count]));
    }
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            bail!("a stream broke off in its head");
        }
    }
    Ok(reader)
}
