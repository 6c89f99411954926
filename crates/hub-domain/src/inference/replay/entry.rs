//! The items of a log: one byte that says what it is, then the bytes.

use bytes::{BufMut as _, Bytes, BytesMut};
use hub_types::UserId;
use serde::{Deserialize, Serialize};

use super::Form;

/// The first item of every log: whose it is, and what the answer's headers were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preface {
    /// The owner. Nobody else may read it.
    pub user: UserId,
    /// How the events are written.
    pub form: Form,
    /// In whose words, as the edge names them: an error that ends a reading is told in the same.
    #[serde(default)]
    pub wire: String,
    /// The model as asked for. A key that may not use it may not read what it said.
    #[serde(default)]
    pub model: String,
    /// Names and values of headers.
    pub headers: Vec<(String, String)>,
    /// The client's own name for the request, where its protocol has one.
    pub name: Option<String>,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// The first one.
    Preface(Bytes),
    /// An event as it went out.
    Event(Bytes),
    /// The last event.
    Last(Bytes),
    /// The stream ended before its last event.
    Cut,
    /// The log is no more: it grew too large, or the cache did not take it.
    Lost,
}

impl Entry {
    pub(super) fn preface(preface: &Preface) -> Self {
        // Ids, texts and a closed set always have a JSON form.
        Self::Preface(serde_json::to_vec(preface).unwrap_or_default().into())
    }

    /// True when nothing comes after it.
    pub(super) const fn ends(&self) -> bool {
        matches!(self, Self::Last(_) | Self::Cut | Self::Lost)
    }

    /// How many bytes it holds.
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Preface(bytes) | Self::Event(bytes) | Self::Last(bytes) => bytes.len(),
            Self::Cut | Self::Lost => 0,
        }
    }

    pub(super) fn encode(&self) -> Bytes {
        let (tag, bytes) = match self {
            Self::Preface(bytes) => (b'p', &bytes[..]),
            Self::Event(bytes) => (b'e', &bytes[..]),
            Self::Last(bytes) => (b'l', &bytes[..]),
            Self::Cut => (b'c', &b""[..]),
            Self::Lost => (b'x', &b""[..]),
        };
        let mut item = BytesMut::with_capacity(bytes.len() + 1);
        item.put_u8(tag);
        item.put_slice(bytes);
        item.freeze()
    }

    /// `None` for what this version did not write.
    pub(super) fn decode(item: &Bytes) -> Option<Self> {
        let bytes = item.slice(1.min(item.len())..);
        match item.first()? {
            b'p' => Some(Self::Preface(bytes)),
            b'e' => Some(Self::Event(bytes)),
            b'l' => Some(Self::Last(bytes)),
            b'c' => Some(Self::Cut),
            b'x' => Some(Self::Lost),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_reads_back() {
        let bytes = Bytes::from_static(b"data: 1\n\n");
        let all =
            [Entry::Preface(bytes.clone()), Entry::Event(bytes.clone()), Entry::Last(bytes), Entry::Cut, Entry::Lost];
        for entry in all {
            assert_eq!(Entry::decode(&entry.encode()), Some(entry));
        }
        assert_eq!(Entry::decode(&Bytes::new()), None);
        assert_eq!(Entry::decode(&Bytes::from_static(b"?")), None);
    }
}
