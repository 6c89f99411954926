//! The smallest HTTP client that can ask a hub on this machine: one connection per request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);
/// An answer that may be long is read so far: its first rows are in it.
const ENOUGH: usize = 2048;

/// Somebody who is signed in.
pub(super) struct Client {
    address: SocketAddr,
    token: String,
}

impl Client {
    pub(super) fn sign_in(address: SocketAddr, email: &str, password: &str) -> Result<Self> {
        let body = json!({ "email": email, "password": password }).to_string();
        let request = format!(
            "POST /api/auth/login HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer: Value = serde_json::from_str(&ask(address, &request, usize::MAX)?)?;
        let token = answer.get("accessToken").and_then(Value::as_str).context("no access token")?.to_owned();
        Ok(Self { address, token })
    }

    /// The body of the answer, as it is on the wire; of an export only its beginning. An error unless it is 200.
    pub(super) fn get(&self, path: &str) -> Result<String> {
        let Self { address, token } = self;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let enough = if path.contains("export.csv") { ENOUGH } else { usize::MAX };
        ask(*address, &request, enough).with_context(|| path.to_owned())
    }
}

fn ask(address: SocketAddr, request: &str, enough: usize) -> Result<String> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(request.as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), vec![0; 65_536]);
    while answer.len() < enough {
        let count = connection.read(&mut piece)?;
        if count == 0 {
            break;
        }
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    let text = String::from_utf8(answer).context("the answer is not text")?;
    let (head, body) = text.split_once("\r\n\r\n").context("the answer has no body")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{}: {body}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}
