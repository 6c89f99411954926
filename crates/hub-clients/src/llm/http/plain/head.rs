//! Heads: how a request's is written, and what an answer's says about its body (RFC 9112 §6).

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use httparse::Status;
use reqwest::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};

use super::body::Framing;
use super::chunked::Chunked;
use crate::llm::http::Request;

/// Most headers of an answer.
const MOST_HEADERS: usize = 100;

/// An answer's head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// The body's length, if it was announced.
    pub(super) length: Option<u64>,
    /// The connection may carry another request after this answer.
    pub(super) reusable: bool,
}

/// The head of a request, up to and with its empty line.
pub(super) fn of_request(request: &Request) -> Bytes {
    let Request { method, url, headers, body } = request;
    let mut head = BytesMut::with_capacity(512);
    for part in [method.as_str(), " ", url.path()] {
        head.put_slice(part.as_bytes());
    }
    if let Some(query) = url.query() {
        head.put_u8(b'?');
        head.put_slice(query.as_bytes());
    }
    head.put_slice(b" HTTP/1.1\r\nhost: ");
    head.put_slice(url.host_str().unwrap_or_default().as_bytes());
    if let Some(port) = url.port() {
        head.put_slice(format!(":{port}").as_bytes());
    }
    for (name, value) in headers {
        for part in [&b"\r\n"[..], name.as_str().as_bytes(), b": ", value.as_bytes()] {
            head.put_slice(part);
        }
    }
    if !body.is_empty() {
        head.put_slice(format!("\r\ncontent-length: {}", body.len()).as_bytes());
    }
    head.put_slice(b"\r\n\r\n");
    head.freeze()
}

/// Just behind the first empty line.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let mut line = 0;
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        // A line is empty when nothing but the end of a line is between two ends; before the first line there is none.
        if line > 0 && matches!(&bytes[line..at], [] | [b'\r']) {
            return Some(at + 1);
        }
        line = at + 1;
    }
    None
}

/// Reads a whole head; `None` when it is only an interim answer.
pub(super) fn read(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut space = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Response::new(&mut space);
    match parsed.parse(bytes) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) => return Err(wrong("a head without an end")),
        Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
    let status = parsed.code.unwrap_or_default();
    match status {
        101 => return Err(wrong("another protocol, which nobody asked for")),
        100..=199 => return Ok(None),
        _ => {}
    }
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_bytes(header.value);
        let (Ok(name), Ok(value)) = (name, value) else { return Err(wrong("a header that is none")) };
        headers.append(name, value);
    }
    let length = length(&headers)?;
    let latest = parsed.version == Some(1);
    let framing = match (status, codings(&headers), length) {
        (204 | 304, ..) => Framing::Length(0),
        (_, Some(codings), _) if codings != "chunked" || !latest => return Err(wrong("a coding nobody asked for")),
        (_, Some(_), _) => Framing::Chunked(Chunked::default()),
        (_, None, Some(length)) => Framing::Length(length),
        (_, None, None) => Framing::Close,
    };
    // A body with two lengths may be an attempt to smuggle an answer; whoever sent it is not asked again on this connection.
    let doubtful = matches!(framing, Framing::Close) || (matches!(framing, Framing::Chunked(_)) && length.is_some());
    let reusable = latest && !doubtful && !has_word(&headers, &CONNECTION, "close");
    let length = length.filter(|_| matches!(framing, Framing::Length(_)));
    Ok(Some(Head { status, headers, framing, length, reusable }))
}

/// The one length, if any; several that differ are an error.
fn length(headers: &HeaderMap) -> io::Result<Option<u64>> {
    let mut found = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let length =
            digits.and_then(|digits| digits.parse::<u64>().ok()).ok_or_else(|| wrong("a length that is none"))?;
        if found.is_some_and(|found| found != length) {
            return Err(wrong("two lengths"));
        }
        found = Some(length);
    }
    Ok(found)
}

/// All transfer codings, in lower case.
fn codings(headers: &HeaderMap) -> Option<String> {
    let all: Vec<_> =
        headers.get_all(TRANSFER_ENCODING).iter().map(|value| value.to_str().unwrap_or("?").trim()).collect();
    (!all.is_empty()).then(|| all.join(",").to_ascii_lowercase())
}

fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::*;

    fn of(text: &str) -> io::Result<Option<Head>> {
        read(text.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn a_request_has_its_host_its_headers_and_its_length() {
        let mut request = Request {
            method: Method::POST,
            url: "http://[::1]:8000/v1/chat?a=%20b".parse().unwrap(),
            headers: HeaderMap::new(),
            body: "{}".into(),
        };
        request.headers.insert("x-a", HeaderValue::from_static("b c"));
        let expected = "POST /v1/chat?a=%20b HTTP/1.1\r\nhost: [::1]:8000\r\nx-a: b c\r\ncontent-length: 2\r\n\r\n";
        assert_eq!(of_request(&request), expected);
        request = Request { method: Method::GET, url: "http://a.b/".parse().unwrap(), body: Bytes::new(), ..request };
        assert_eq!(of_request(&request), "GET / HTTP/1.1\r\nhost: a.b\r\nx-a: b c\r\n\r\n");
    }

    #[test]
    fn a_head_ends_at_its_first_empty_line() {
        assert_eq!(end(b"HTTP/1.1 200 OK\r\na: b\r\n\r\nbody\r\n\r\n"), Some(25));
        assert_eq!(end(b"HTTP/1.1 200 OK\n\nbody"), Some(17));
        for part in ["", "\r", "\r\n", "HTTP/1.1 200 OK\r\na: b\r\n", "HTTP/1.1 200 OK\r\na: b\r\n\r"] {
            assert_eq!(end(part.as_bytes()), None, "{part:?}");
        }
    }

    #[test]
    fn the_body_is_as_long_as_the_head_says() {
        let table = [
            ("HTTP/1.1 200 OK\n\n", Framing::Close, false),
            ("HTTP/1.1 200 OK\ncontent-length: 5\ncontent-length: 5\n\n", Framing::Length(5), true),
            ("HTTP/1.0 200 OK\ncontent-length: 5\n\n", Framing::Length(5), false),
            ("HTTP/1.1 200 OK\ncontent-length: 5\nConnection: x, Close\n\n", Framing::Length(5), false),
            ("HTTP/1.1 200 OK\ntransfer-encoding: Chunked\n\n", Framing::Chunked(Chunked::default()), true),
            (
                "HTTP/1.1 200 OK\ntransfer-encoding: chunked\ncontent-length: 5\n\n",
                Framing::Chunked(Chunked::default()),
                false,
            ),
            ("HTTP/1.1 204 No\ncontent-length: 5\n\n", Framing::Length(0), true),
        ];
        for (text, framing, reusable) in table {
            let head = of(text).unwrap().unwrap();
            assert_eq!((head.framing, head.reusable), (framing, reusable), "{text}");
        }
    }

    #[test]
    fn an_answer_that_says_two_things_is_no_answer() {
        for text in [
            "HTTP/1.1 200 OK\ncontent-length: 5\ncontent-length: 6\n\n",
            "HTTP/1.1 200 OK\ncontent-length: +5\n\n",
            "HTTP/1.1 200 OK\ntransfer-encoding: gzip, chunked\n\n",
            "HTTP/1.0 200 OK\ntransfer-encoding: chunked\n\n",
            "HTTP/1.1 101 Switching\n\n",
            "HTTP/2 200\n\n",
            "HTTP/1.1 200 OK\na b: c\n\n",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
        assert!(of("HTTP/1.1 103 Early Hints\na: b\n\n").unwrap().is_none());
    }
}
