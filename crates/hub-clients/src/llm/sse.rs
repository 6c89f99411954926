//! A reader of server-sent events that keeps every event's exact bytes (WHATWG HTML §9.2.6).
//!
//! Written for relaying: an event is handed on as it came, so the reader must not normalise. It copes with `\n`, `\r\n`
//! and `\r`, a byte order mark, comments, several `data` lines, and a stream cut anywhere, even inside a character.
//! An event that lies inside one network chunk is not copied. No event may exceed the reader's limit, [`EVENT_LIMIT`] unless it says otherwise: a
//! reader never holds more than one event that has begun.

use bytes::{Buf, Bytes, BytesMut};

use super::http::ANSWER_LIMIT;

/// Largest event of every wire, in bytes, blank line included: that of an answer in one piece. A picture comes in one event, and the last event of
/// a response is the whole answer.
pub const EVENT_LIMIT: usize = ANSWER_LIMIT;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The exact bytes, blank line included.
    pub raw: Bytes,
    /// The `event:` name, if any.
    pub name: Option<Bytes>,
    /// The `data:` lines joined by `\n`; `None` when there is none (a comment).
    pub data: Option<Bytes>,
}

/// An event is larger than the reader's limit; it yields nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is too large")]
pub struct EventTooLarge;

/// Cuts a byte stream into events. Push a chunk, then take events until there are none.
#[derive(Debug)]
pub struct SseReader {
    /// Largest event, in bytes.
    limit: usize,
    /// Bytes not yet handed out that can be sliced without copying.
    ready: Bytes,
    /// An event that has begun and whose end is not among the bytes seen so far.
    partial: BytesMut,
    /// How far `partial` has been searched, and what the search remembers.
    scan: Scan,
    started: bool,
    dead: bool,
}

/// The search for a blank line, which can stop and go on at any byte.
#[derive(Debug, Clone, Copy, Default)]
struct Scan {
    at: usize,
    /// Something other than blank lines has been seen in this event.
    content: bool,
    /// The line being read has at least one byte.
    in_line: bool,
}

impl Default for SseReader {
    fn default() -> Self {
        Self::new()
    }
}

impl SseReader {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::up_to(EVENT_LIMIT)
    }

    /// A reader of events of at most `limit` bytes.
    pub fn up_to(limit: usize) -> Self {
        Self {
            limit,
            ready: Bytes::new(),
            partial: BytesMut::new(),
            scan: Scan::default(),
            started: false,
            dead: false,
        }
    }

    /// Adds bytes. Events that were not taken before stay in order.
    pub fn push(&mut self, chunk: Bytes) {
        if self.dead || chunk.is_empty() {
            return;
        }
        if self.partial.is_empty() && self.ready.is_empty() {
            self.ready = chunk;
        } else {
            self.keep_ready();
            self.partial.extend_from_slice(&chunk);
        }
    }

    /// The next whole event, or `None` when more bytes are needed.
    pub fn next_event(&mut self) -> Option<Result<SseEvent, EventTooLarge>> {
        if self.dead || !self.skip_bom() {
            return None;
        }
        let bytes = if self.partial.is_empty() { &self.ready[..] } else { &self.partial[..] };
        let Some(end) = self.scan.find_end(bytes, false) else {
            if self.scan.at > self.limit {
                return Some(Err(self.die()));
            }
            self.keep_ready();
            return None;
        };
        Some(self.take(end))
    }

    /// What is left when the stream has ended: an event without its blank line, if any. Whether that is whole is for the
    /// caller to judge; its `raw` is as it came.
    pub fn finish(&mut self) -> Option<Result<SseEvent, EventTooLarge>> {
        if self.dead {
            return None;
        }
        self.started = true;
        self.keep_ready();
        let end = self.scan.find_end(&self.partial, true).unwrap_or(self.partial.len());
        if end == 0 || self.partial.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return None;
        }
        Some(self.take(end))
    }

    fn take(&mut self, end: usize) -> Result<SseEvent, EventTooLarge> {
        self.scan = Scan::default();
        if end > self.limit {
            return Err(self.die());
        }
        if !self.partial.is_empty() {
            self.ready = std::mem::take(&mut self.partial).freeze();
        }
        Ok(read_fields(&self.ready.split_to(end)))
    }

    /// Moves what is left of a chunk to where more can be added.
    fn keep_ready(&mut self) {
        if !self.ready.is_empty() {
            self.partial = BytesMut::from(std::mem::take(&mut self.ready));
        }
    }

    fn die(&mut self) -> EventTooLarge {
        *self = Self { dead: true, ..Self::up_to(self.limit) };
        EventTooLarge
    }

    /// Drops a byte order mark at the start; false when more bytes are needed to know.
    fn skip_bom(&mut self) -> bool {
        if self.started {
            return true;
        }
        self.keep_ready();
        if self.partial.len() < BOM.len() && BOM.starts_with(&self.partial) {
            return false;
        }
        if self.partial.starts_with(BOM) {
            self.partial.advance(BOM.len());
        }
        self.started = true;
        true
    }
}

impl Scan {
    /// The end of the first event: just behind its blank line. A `\r` in the last place waits for a possible `\n`, unless
    /// nothing will follow.
    fn find_end(&mut self, bytes: &[u8], last: bool) -> Option<usize> {
        while let Some(&byte) = bytes.get(self.at) {
            if byte != b'\n' && byte != b'\r' {
                self.content = true;
                self.in_line = true;
                let rest = &bytes[self.at..];
                self.at += rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
                continue;
            }
            let width = match (byte, bytes.get(self.at + 1)) {
                (b'\r', Some(b'\n')) => 2,
                (b'\r', None) if !last => return None,
                _ => 1,
            };
            self.at += width;
            let blank = !std::mem::take(&mut self.in_line);
            if blank && self.content {
                return Some(self.at);
            }
        }
        None
    }
}

fn read_fields(raw: &Bytes) -> SseEvent {
    let mut event = SseEvent { raw: raw.clone(), name: None, data: None };
    let mut at = 0;
    while at < raw.len() {
        let length = raw[at..].iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(raw.len() - at);
        let line = raw.slice(at..at + length);
        at += length + 1;
        if let Some(value) = value_of(&line, b"data") {
            event.data = Some(match event.data.take() {
                None => value,
                Some(before) => [&before[..], b"\n", &value[..]].concat().into(),
            });
        } else if let Some(value) = value_of(&line, b"event") {
            event.name = Some(value);
        }
    }
    event
}

/// The value of a line `field: value`; one space after the colon does not belong to it.
fn value_of(line: &Bytes, field: &[u8]) -> Option<Bytes> {
    let rest = line.strip_prefix(field)?;
    match rest {
        [] => Some(Bytes::new()),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(line.slice(line.len() - value.len()..)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<SseEvent> {
        let mut reader = SseReader::new();
        let mut events = Vec::new();
        for piece in pieces {
            reader.push(Bytes::copy_from_slice(piece));
            events.extend(std::iter::from_fn(|| reader.next_event()).map(Result::unwrap));
        }
        events.extend(reader.finish().map(Result::unwrap));
        events
    }

    fn data(events: &[SseEvent]) -> Vec<Option<&str>> {
        events.iter().map(|e| e.data.as_deref().map(|d| std::str::from_utf8(d).unwrap())).collect()
    }

    #[test]
    fn every_line_ending_ends_a_line() {
        for ending in ["\n", "\r\n", "\r"] {
            let text = "data: a\n\n: note\n\ndata:b\ndata:  c\nid: 7\n\nevent: x\ndata\n\n".replace('\n', ending);
            let events = read(&[text.as_bytes()]);
            assert_eq!(data(&events), [Some("a"), None, Some("b\n c"), Some("")], "{ending:?}");
            assert_eq!(events[3].name.as_deref(), Some(&b"x"[..]));
        }
    }

    #[test]
    fn a_stream_split_at_any_byte_gives_the_same_events() {
        let text =
            "\u{feff}data: {\"é\":1}\r\n\r\n:ping\n\n\ndata: x\rdata: y\r\r\ndata: z\n\r\n\ndata: tail".as_bytes();
        let whole = read(&[text]);
        assert_eq!(data(&whole), [Some("{\"é\":1}"), None, Some("x\ny"), Some("z"), Some("tail")]);
        for cut in 0..=text.len() {
            assert_eq!(read(&[&text[..cut], &text[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(&bytes), whole);
    }

    #[test]
    fn an_event_inside_one_chunk_is_not_copied() {
        let mut reader = SseReader::new();
        reader.push(Bytes::from_static(b"data: 1\n\n"));
        let _ = reader.next_event();
        let chunk = Bytes::from_static(b"data: 2\n\ndata: 3\n\n");
        let start = chunk.as_ptr();
        reader.push(chunk);
        let event = reader.next_event().unwrap().unwrap();
        assert_eq!((event.raw.as_ptr(), event.data.unwrap().as_ptr()), (start, start.wrapping_add(6)));
    }

    #[test]
    fn an_event_over_the_limit_ends_the_reading() {
        let huge = Bytes::from(vec![b'x'; EVENT_LIMIT + 2]);
        for ending in ["", "\n\n"] {
            let mut reader = SseReader::new();
            reader.push(huge.clone());
            reader.push(Bytes::from_static(ending.as_bytes()));
            assert_eq!(reader.next_event(), Some(Err(EventTooLarge)));
            reader.push(Bytes::from_static(b"data: 1\n\n"));
            assert_eq!((reader.next_event(), reader.finish()), (None, None));
        }
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_events_and_loses_no_byte(
            text in "(data: ?[a-zé:]{0,4}|:[a-z]{0,3}|event: x|\r|\n|\r\n|\n\n|\r\n\r\n){0,24}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let bytes = text.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let whole = read(&[bytes]);
            prop_assert_eq!(&read(&pieces), &whole);
            let kept: Vec<u8> = whole.iter().flat_map(|event| event.raw.to_vec()).collect();
            prop_assert!(bytes.starts_with(&kept));
            prop_assert!(bytes[kept.len()..].iter().all(|byte| matches!(byte, b'\r' | b'\n')));
        }
    }
}
