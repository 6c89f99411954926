//! Comma-separated values (RFC 4180) that a spreadsheet can open safely.
//!
//! A cell that begins like a formula gets an apostrophe before it: a spreadsheet would otherwise run what a stranger wrote, such as
//! a `User-Agent` (OWASP, CSV injection).

/// The media type, with the first line being the names.
pub const CSV_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// Characters a spreadsheet takes for the beginning of a formula, or skips before one.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Writes one record, its line end included.
pub fn write_csv<'a>(out: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let guard = if cell.starts_with(FORMULA) { "'" } else { "" };
        if cell.contains(['"', ',', '\r', '\n']) {
            out.push('"');
            out.push_str(guard);
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(guard);
            out.push_str(cell);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cells: &[&str]) -> String {
        let mut out = String::new();
        write_csv(&mut out, cells.iter().copied());
        out
    }

    #[test]
    fn only_what_needs_it_is_quoted() {
        assert_eq!(line(&["a", "", "b c"]), "a,,b c\r\n");
        assert_eq!(line(&["a,b", "say \"hi\"", "x\r\ny"]), "\"a,b\",\"say \"\"hi\"\"\",\"x\r\ny\"\r\n");
    }

    #[test]
    fn no_cell_begins_like_a_formula() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"] {
            assert!(line(&[cell]).starts_with('\''), "{cell}");
        }
        assert_eq!(line(&["=HYPERLINK(\"x\",\"y\")"]), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"\r\n");
        assert_eq!(line(&["a=1", "1-2"]), "a=1,1-2\r\n");
    }
}
