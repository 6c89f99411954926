//! A provider's file as entries, read a line at a time: only what is compared is kept.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use chrono::NaiveDate;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::cells::Records;
use super::columns::{Known, Line, line};
use super::report::Sums;
use super::{Format, LARGEST};

/// Why a file is not understood.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Larger than 32 MiB.
    #[error("the file is larger than 32 MiB")]
    TooLarge,
    /// Not UTF-8, or not JSON.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// A cell is not what its column says; `line` counts from 1 without the line of names.
    #[error("line {line}: {message}")]
    Line {
        /// Which.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// There is nothing to compare.
    #[error("the file has no lines with a column of tokens or cost")]
    Empty,
    /// Some lines have an id and others have none.
    #[error("some lines have the provider's id of the call and others have none")]
    Mixed,
    /// Sums need a day and a model.
    #[error("lines without the provider's id of a call need a day and a model")]
    Sums,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// Calls by the provider's id.
    pub(super) calls: HashMap<String, Line>,
    /// Sums by day and model.
    pub(super) sums: BTreeMap<(NaiveDate, String), Sums>,
    /// Which numbers it has.
    pub(super) known: Known,
    /// Lines read.
    pub(super) lines: usize,
}

impl Entries {
    /// Reads a file.
    pub(super) fn read(bytes: &[u8], format: Format) -> Result<Self, FileError> {
        if bytes.len() > LARGEST {
            return Err(FileError::TooLarge);
        }
        let mut entries = Self::default();
        match format {
            Format::Csv => entries.read_csv(bytes)?,
            Format::Json => entries.read_json(bytes)?,
        }
        let Known { prompt, completion, cost, .. } = entries.known;
        if entries.lines == 0 || !(prompt || completion || cost) {
            return Err(FileError::Empty);
        }
        if !entries.calls.is_empty() && !entries.sums.is_empty() {
            return Err(FileError::Mixed);
        }
        Ok(entries)
    }

    /// The first and the last day.
    pub(super) fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        let days = || self.calls.values().filter_map(|line| line.day).chain(self.sums.keys().map(|(day, _)| *day));
        days().min().zip(days().max())
    }

    fn read_csv(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let text = std::str::from_utf8(bytes).map_err(|error| FileError::Unreadable(error.to_string()))?;
        let mut records = Records::of(text);
        let names = records.next().unwrap_or_default();
        for record in records {
            self.take(names.iter().map(String::as_str).zip(record.iter().map(String::as_str)))?;
        }
        Ok(())
    }

    fn read_json(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let mut failed = None;
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let each = |object: BTreeMap<String, Cell>| {
            let cells = object.iter().map(|(name, Cell(cell))| (name.as_str(), cell.as_str()));
            self.take(cells).map_err(|error| failed = Some(error)).is_ok()
        };
        let read = deserializer.deserialize_seq(Rows(each)).and_then(|()| deserializer.end());
        match failed {
            Some(error) => Err(error),
            None => read.map_err(|error| FileError::Unreadable(error.to_string())),
        }
    }

    fn take<'a>(&mut self, cells: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), FileError> {
        self.lines += 1;
        let line = line(cells, &mut self.known).map_err(|message| FileError::Line { line: self.lines, message })?;
        match (&line.id, line.day) {
            // Several lines of one call add up: providers bill parts of it apart.
            (Some(id), _) => match self.calls.get_mut(id) {
                Some(earlier) => {
                    earlier.sums.add(&line.sums);
                    earlier.sums.calls = 1;
                }
                None => drop(self.calls.insert(id.clone(), line)),
            },
            (None, Some(day)) if !line.model.is_empty() => {
                self.sums.entry((day, line.model)).or_default().add(&line.sums);
            }
            (None, _) => return Err(FileError::Sums),
        }
        Ok(())
    }
}

/// A value of a flat object, as text.
struct Cell(String);

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(match value {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            // What is nested has no column.
            _ => String::new(),
        }))
    }
}

/// Hands the elements of an array over one by one, until one is refused.
struct Rows<F>(F);

impl<'de, F: FnMut(BTreeMap<String, Cell>) -> bool> Visitor<'de> for Rows<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            if !(self.0)(row) {
                return Err(serde::de::Error::custom("a row was refused"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_csv_are_the_same_entries() {
        let csv = "id,model,date,prompt_tokens,completion_tokens\na,m,2026-11-23,1,2\na,m,2026-11-23,3,0\nb,m,2026-11-24,5,6\n";
        let json = r#"[{"id":"a","model":"m","date":"2026-11-23","prompt_tokens":4,"completion_tokens":2,"more":{"x":1}},
            {"id":"b","model":"m","date":"2026-11-24","prompt_tokens":5,"completion_tokens":6}]"#;
        let read = |text: &str, format| Entries::read(text.as_bytes(), format).unwrap();
        let (first, second) = (read(csv, Format::Csv), read(json, Format::Json));
        assert_eq!(first.calls, second.calls);
        assert_eq!((first.lines, second.lines, first.known), (3, 2, second.known));
        assert_eq!(first.days().map(|(a, b)| (b - a).num_days()), Some(1));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_place() {
        let refused = |text: &str, format| Entries::read(text.as_bytes(), format).unwrap_err().to_string();
        assert_eq!(refused("id,prompt_tokens\na,1\nb,x\n", Format::Csv), "line 2: prompt_tokens is x");
        assert_eq!(refused(r#"[{"id":"a","prompt_tokens":"x"}]"#, Format::Json), "line 1: prompt_tokens is x");
        assert!(refused("name,prompt_tokens\na,1\n", Format::Csv).contains("need a day and a model"));
        assert!(
            refused("id,prompt_tokens,model,day\na,1,,\n,1,m,2026-11-23\n", Format::Csv).contains("others have none")
        );
        assert!(refused("id,model\na,m\n", Format::Csv).contains("no lines"));
        assert!(refused("", Format::Csv).contains("no lines"));
        assert!(refused("{}", Format::Json).contains("an array"));
        assert!(refused("[1]", Format::Json).contains("cannot be read"));
    }
}
