//! Reading comma-separated values (RFC 4180), a record at a time.

/// The records of a file. Fields may be quoted; a quoted field may hold commas, line ends and doubled quotes.
pub(super) struct Records<'a> {
    rest: &'a str,
}

impl<'a> Records<'a> {
    /// The records of this text. A byte order mark before it is passed over.
    pub(super) fn of(text: &'a str) -> Self {
        Self { rest: text.strip_prefix('\u{feff}').unwrap_or(text) }
    }

    fn field(&mut self) -> (String, bool) {
        let mut field = String::new();
        if let Some(quoted) = self.rest.strip_prefix('"') {
            self.rest = quoted;
            while let Some(at) = self.rest.find('"') {
                let (before, after) = self.rest.split_at(at);
                field.push_str(before);
                self.rest = after.strip_prefix('"').unwrap_or(after);
                let Some(more) = self.rest.strip_prefix('"') else { break };
                field.push('"');
                self.rest = more;
            }
        }
        let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
        let (last, rest) = self.rest.split_at(end);
        field.push_str(last.strip_suffix('\r').unwrap_or(last));
        self.rest = rest.get(1..).unwrap_or("");
        (field, rest.starts_with(','))
    }
}

impl Iterator for Records<'_> {
    type Item = Vec<String>;

    fn next(&mut self) -> Option<Vec<String>> {
        // Empty lines are no records.
        self.rest = self.rest.trim_start_matches(['\r', '\n']);
        if self.rest.is_empty() {
            return None;
        }
        let mut record = Vec::new();
        loop {
            let (field, more) = self.field();
            record.push(field);
            if !more {
                return Some(record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        Records::of(text).collect()
    }

    #[test]
    fn quotes_commas_and_line_ends_are_read_as_they_are_meant() {
        let text = "\u{feff}a,b,c\r\n1,\"two, \"\"2\"\"\nlines\",\r\n\r\n,,x";
        assert_eq!(read(text), [["a", "b", "c"], ["1", "two, \"2\"\nlines", ""], ["", "", "x"]]);
        assert_eq!(read("a"), [["a"]]);
        assert_eq!(read("\"open"), [["open"]]);
        assert!(read("").is_empty());
    }
}
