//! A small mail server on a free port: it says what a test wants to hear and keeps what it was told. Plain threads, no TLS.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// What the server answers; the first word of each command picks the line.
#[derive(Clone)]
pub(super) struct Manners {
    pub(super) auth: &'static str,
    pub(super) rcpt: &'static str,
    pub(super) data: &'static str,
    /// Mails after which a connection is closed without a word.
    pub(super) mails_per_connection: usize,
    /// Answers nothing at all.
    pub(super) silent: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self { auth: "235 welcome", rcpt: "250 ok", data: "250 taken", mails_per_connection: usize::MAX, silent: false }
    }
}

/// One line or mail as it arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Connection,
    Command(String),
    Mail(String),
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    heard: Receiver<Heard>,
}

impl Server {
    pub(super) fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (report, heard) = channel();
        thread::spawn(move || {
            for socket in listener.incoming() {
                if report.send(Heard::Connection).is_err() {
                    return;
                }
                // A client that hangs up ends its connection only.
                let (manners, report) = (manners.clone(), report.clone());
                thread::spawn(move || serve(&socket.unwrap(), &manners, &report));
            }
        });
        Self { address, heard }
    }

    /// An address where nobody listens.
    pub(super) fn absent() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { address, heard: channel().1 }
    }

    /// Everything heard so far. Whatever was said before an answer came has arrived.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.try_iter().collect()
    }
}

fn serve(socket: &TcpStream, manners: &Manners, report: &Sender<Heard>) -> Option<()> {
    let say = |line: &str| (&*socket).write_all(format!("{line}\r\n").as_bytes()).ok();
    let mut lines = BufReader::new(socket).lines();
    if manners.silent {
        lines.next()?.ok()?;
        return None;
    }
    say("220 test")?;
    let mut mails = 0;
    while let Some(Ok(line)) = lines.next() {
        report.send(Heard::Command(line.clone())).ok()?;
        match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => say("250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN")?,
            "AUTH" => say(manners.auth)?,
            "RCPT" => say(manners.rcpt)?,
            "DATA" => {
                say("354 go on")?;
                let mut mail = String::new();
                while let Some(Ok(line)) = lines.next().filter(|line| !matches!(line.as_deref(), Ok("."))) {
                    mail.push_str(&line);
                    mail.push('\n');
                }
                report.send(Heard::Mail(mail)).ok()?;
                say(manners.data)?;
                mails += 1;
                if mails == manners.mails_per_connection {
                    return None;
                }
            }
            "QUIT" => say("221 bye")?,
            _ => say("250 ok")?,
        }
    }
    None
}
