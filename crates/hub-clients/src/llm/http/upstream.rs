//! A provider made of scripted bytes: it accepts connections, reads one request on each, and plays the next script.
//! Plain threads and blocking sockets, so that what is on the wire is exactly what the test wrote.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// One thing to do on a connection.
pub(crate) enum Play {
    /// Write these bytes.
    Send(Vec<u8>),
    /// Say nothing until the other side gives up.
    Stall,
    /// Say nothing until the test gives the word.
    Wait(Receiver<()>),
}

/// A request as it arrived.
pub(crate) struct Seen {
    /// Request line and headers, lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct Upstream {
    address: SocketAddr,
    seen: Receiver<Seen>,
}

impl Upstream {
    /// Starts a server on a free port that plays one script per connection, closes after each, and ends after the last.
    pub(crate) fn play(scripts: Vec<Vec<Play>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (report, seen) = channel();
        thread::spawn(move || {
            for script in scripts {
                let (mut socket, _) = listener.accept().unwrap();
                let _ = report.send(read_request(&mut socket));
                perform(script, &mut socket);
            }
        });
        Self { address, seen }
    }

    /// Plays one script per request, all on a single connection; a second connection is never accepted.
    pub(crate) fn keep_alive(scripts: Vec<Vec<Play>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (report, seen) = channel();
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            drop(listener);
            for script in scripts {
                let _ = report.send(read_request(&mut socket));
                perform(script, &mut socket);
            }
        });
        Self { address, seen }
    }

    /// One answer and no more.
    pub(crate) fn once(answer: impl Into<Vec<u8>>) -> Self {
        Self::play(vec![vec![Play::Send(answer.into())]])
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The next request that arrived.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.recv().unwrap()
    }
}

/// An answer with a length.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}").into_bytes()
}

/// The head of a stream that ends with its connection.
pub(crate) const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\nx-request-id: req_7\r\n\r\n";

/// A whole stream that ends with its connection.
pub(crate) fn stream(body: &str) -> Vec<u8> {
    format!("{STREAM_HEAD}{body}").into_bytes()
}

/// The first chunk of a body sent in chunks; more follow with [`chunk`], the end is `0\r\n\r\n`.
pub(crate) const CHUNKED_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

pub(crate) fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

fn perform(script: Vec<Play>, socket: &mut TcpStream) {
    for play in script {
        match play {
            // A client that has seen enough may close first.
            Play::Send(bytes) => drop(socket.write_all(&bytes)),
            Play::Stall => drop(socket.read(&mut [0; 64])),
            Play::Wait(word) => drop(word.recv()),
        }
    }
}

fn read_request(socket: &mut TcpStream) -> Seen {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Seen { head, body: body.to_owned() };
            }
        }
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return Seen { head: String::new(), body: text },
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}
