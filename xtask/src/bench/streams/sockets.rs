//! Idle WebSockets: opened with a key in the header, kept alive by answers to the hub's pings, and otherwise silent.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(30);
/// Pings come every 20 s; the hub gives a socket a minute.
const ROUND: Duration = Duration::from_secs(2);
/// Opened at once.
const OPENERS: usize = 8;
/// An empty ping, as servers send it: not masked (RFC 6455 §5.2).
const PING: [u8; 2] = [0x89, 0x00];
/// An empty pong with a mask of zeros, as clients must send it.
const PONG: [u8; 6] = [0x8A, 0x80, 0, 0, 0, 0];

/// Open sockets and the thread that answers for them.
pub(super) struct Sockets {
    stop: Arc<AtomicBool>,
    keeper: JoinHandle<u32>,
}

impl Sockets {
    /// Opens so many, spread over the keys.
    pub(super) fn open(address: SocketAddr, keys: &[String], count: u32) -> Result<Self> {
        eprintln!("opening {count} sockets");
        let keys = keys.iter().cycle().take(usize::try_from(count)?).collect::<Vec<_>>();
        let sockets = std::thread::scope(|scope| {
            let open = |keys: &[&String]| keys.iter().map(|key| open(address, key)).collect::<Result<Vec<_>>>();
            let share = keys.len().div_ceil(OPENERS);
            let threads: Vec<_> = keys.chunks(share).map(|keys| scope.spawn(move || open(keys))).collect();
            let mut sockets = Vec::new();
            for thread in threads {
                sockets.extend(thread.join().ok().context("a thread panicked")??);
            }
            anyhow::Ok(sockets)
        })?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Ok(Self { stop, keeper: std::thread::spawn(move || keep(sockets, &stopped)) })
    }

    /// Closes all; how many the hub had closed before.
    pub(super) fn close(self) -> Result<u32> {
        self.stop.store(true, Ordering::Relaxed);
        self.keeper.join().ok().context("the thread of the sockets panicked")
    }
}

fn open(address: SocketAddr, key: &str) -> Result<TcpStream> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    write!(
        socket,
        "GET /api/ws HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).context("the handshake was not answered")?;
        head.extend_from_slice(&byte);
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        bail!("a socket was refused: {}", String::from_utf8_lossy(&head));
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Answers pings until it is told to stop; how many sockets ended before.
fn keep(mut sockets: Vec<TcpStream>, stop: &AtomicBool) -> u32 {
    let mut ended = 0;
    while !stop.load(Ordering::Relaxed) {
        sockets.retain_mut(|socket| {
            let alive = is_alive(socket);
            ended += u32::from(!alive);
            alive
        });
        std::thread::sleep(ROUND);
    }
    ended
}

/// Takes what has come: nothing, or pings, which are answered. Anything else is the end.
fn is_alive(socket: &mut TcpStream) -> bool {
    let mut bytes = [0; 64];
    match socket.read(&mut bytes) {
        Ok(count) => {
            let (pings, rest) = bytes[..count].as_chunks::<2>();
            count > 0 && rest.is_empty() && pings.iter().all(|frame| *frame == PING) && socket.write_all(&PONG).is_ok()
        }
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
