//! Comma-separated values (RFC 4180) that a spreadsheet can open safely.
//!
//! Text that begins like a formula gets an apostrophe before it: a spreadsheet would otherwise run what a stranger wrote, such as
//! a `User-Agent` (OWASP, CSV injection). Numbers are numbers: an apostrophe before a minus would make text of every debit.

use std::fmt::{Display, Write};

/// The media type, with the first line being the names.
pub const CSV_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// Characters a spreadsheet takes for the beginning of a formula, or skips before one.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// One cell.
#[derive(Clone, Copy)]
pub enum Cell<'a> {
    /// Words, ids and times, whoever wrote them.
    Text(&'a str),
    /// A number, as it is: digits, a point and a minus. Never what a stranger wrote.
    Number(&'a dyn Display),
}

impl<'a> Cell<'a> {
    /// A number, or an empty cell where there is none.
    pub fn number<T: Display>(number: Option<&'a T>) -> Self {
        number.map_or(Self::Text(""), |number| Self::Number(number))
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

/// Writes one record, its line end included.
pub fn write_csv<'a>(out: &mut String, cells: impl IntoIterator<Item = Cell<'a>>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match cell {
            Cell::Text(text) => write_text(out, text),
            // Writing to a string does not fail.
            Cell::Number(number) => _ = write!(out, "{number}"),
        }
    }
    out.push_str("\r\n");
}

fn write_text(out: &mut String, text: &str) {
    let guard = if text.starts_with(FORMULA) { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n']) {
        out.push('"');
        out.push_str(guard);
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(guard);
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cells: &[&str]) -> String {
        let mut out = String::new();
        write_csv(&mut out, cells.iter().copied().map(Cell::Text));
        out
    }

    #[test]
    fn only_what_needs_it_is_quoted() {
        assert_eq!(line(&["a", "", "b c"]), "a,,b c\r\n");
        assert_eq!(line(&["a,b", "say \"hi\"", "x\r\ny"]), "\"a,b\",\"say \"\"hi\"\"\",\"x\r\ny\"\r\n");
    }

    #[test]
    fn no_text_begins_like_a_formula() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"] {
            assert!(line(&[cell]).starts_with('\''), "{cell}");
        }
        assert_eq!(line(&["=HYPERLINK(\"x\",\"y\")"]), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"\r\n");
        assert_eq!(line(&["a=1", "1-2"]), "a=1,1-2\r\n");
    }

    #[test]
    fn a_number_is_written_as_it_is() {
        let mut out = String::new();
        write_csv(&mut out, [Cell::Number(&"-6.923"), Cell::number(Some(&7)), Cell::number::<i64>(None), "-1".into()]);
        assert_eq!(out, "-6.923,7,,'-1\r\n");
    }
}
