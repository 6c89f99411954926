//! The chunked coding (RFC 9112 §7.1), taken off as the bytes come: nothing is kept but where in a chunk we are.

use std::io;

/// Most bytes of extensions and trailers of one body.
const IGNORED_LIMIT: usize = 16 * 1024;

/// Where in the coding the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Chunked {
    place: Place,
    /// Bytes of extensions and trailers so far.
    ignored: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the number of a chunk's length: what it says so far, and how many digits that were.
    Length(u64, u8),
    /// Behind it, in what some servers add.
    Extension(u64),
    /// Before the end of the line that says the length.
    LengthEnd(u64),
    /// In a chunk, with so many bytes to come.
    Data(u64),
    /// Behind a chunk: `\r`, then `\n`.
    DataReturn,
    DataEnd,
    /// At the start of a line behind the last chunk.
    Trailer,
    /// In such a line, and before its end.
    TrailerLine,
    TrailerEnd,
    /// Before the last byte.
    Last,
    Over,
}

impl Default for Place {
    fn default() -> Self {
        Self::Length(0, 0)
    }
}

impl Chunked {
    /// True when the last byte of the body was seen.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.place, Place::Over)
    }

    /// Takes bytes of the connection, and adds those of the body to `data`. Returns how many were taken: all, unless the body ends before.
    pub(super) fn take(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> io::Result<usize> {
        let mut at = 0;
        while at < bytes.len() && !self.is_over() {
            if let Place::Data(left) = self.place {
                let rest = &bytes[at..];
                let count = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                data.extend_from_slice(&rest[..count]);
                at += count;
                let left = left - count as u64;
                self.place = if left == 0 { Place::DataReturn } else { Place::Data(left) };
            } else {
                self.place = self.after(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn after(&mut self, byte: u8) -> io::Result<Place> {
        Ok(match (self.place, byte) {
            (Place::Length(length, digits @ 0..16), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Place::Length(length << 4 | u64::from(digit), digits + 1)
            }
            (Place::Length(length, 1..) | Place::Extension(length), b'\r') => Place::LengthEnd(length),
            (Place::Length(length, 1..), b';' | b' ' | b'\t') => Place::Extension(length),
            (Place::Extension(_) | Place::TrailerLine | Place::Trailer, byte) if byte != b'\r' && byte != b'\n' => {
                self.ignored += 1;
                if self.ignored > IGNORED_LIMIT {
                    return Err(wrong());
                }
                if let Place::Extension(_) = self.place { self.place } else { Place::TrailerLine }
            }
            (Place::LengthEnd(0) | Place::TrailerEnd, b'\n') => Place::Trailer,
            (Place::LengthEnd(length), b'\n') => Place::Data(length),
            (Place::DataReturn, b'\r') => Place::DataEnd,
            (Place::DataEnd, b'\n') => Place::Length(0, 0),
            (Place::TrailerLine, b'\r') => Place::TrailerEnd,
            (Place::Trailer, b'\r') => Place::Last,
            (Place::Last, b'\n') => Place::Over,
            _ => return Err(wrong()),
        })
    }
}

fn wrong() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a body that is not chunked as announced")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> io::Result<(String, usize, bool)> {
        let (mut chunked, mut data, mut taken) = (Chunked::default(), Vec::new(), 0);
        for piece in pieces {
            taken += chunked.take(piece, &mut data)?;
        }
        Ok((String::from_utf8(data).unwrap(), taken, chunked.is_over()))
    }

    #[test]
    fn what_stands_around_the_chunks_is_taken_off() {
        let text = b"5\r\nhello\r\n1;a=\"b\"\r\n \r\n0005 \r\nworld\r\n0\r\nx: y\r\nz: \r\n\r\n";
        assert_eq!(decode(&[text]).unwrap(), ("hello world".to_owned(), text.len(), true));
        assert_eq!(decode(&[b"0\r\n\r\nmore"]).unwrap(), (String::new(), 5, true));
        assert_eq!(decode(&[b"A\r\nhel"]).unwrap(), ("hel".to_owned(), 6, false));
    }

    #[test]
    fn what_is_not_chunked_is_an_error() {
        for text in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "5\nhello",
            "5\r\nhello!",
            "5;a\nhello",
            "1\r\na\r\r",
            "0\r\n\n",
            "0\r\nx: y\n",
            "00000000000000001\r\n",
            ";\r\n",
        ] {
            assert!(decode(&[text.as_bytes()]).is_err(), "{text:?}");
        }
        for endless in ["5;", "0\r\nx"] {
            let text = endless.to_owned() + &"x".repeat(IGNORED_LIMIT + 1);
            assert!(decode(&[text.as_bytes()]).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_body(
            chunks in prop::collection::vec("[a-z\r\n]{1,20}", 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let coded = |chunk: &String| format!("{:x}\r\n{chunk}\r\n", chunk.len());
            let text = chunks.iter().map(coded).chain(["0\r\n\r\n".to_owned()]).collect::<Vec<_>>().concat();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decode(&pieces).unwrap(), (chunks.concat(), text.len(), true));
        }
    }
}
