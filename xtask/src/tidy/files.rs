//! The source files: how long they are and how they begin.

use std::path::Path;

use anyhow::{Context, Result};

const LONGEST: usize = 500;

/// One Rust source file under some `src`.
pub(super) struct Source {
    /// From the root, with forward slashes.
    path: String,
    text: String,
    /// Nothing but tests, by its name.
    tests: bool,
}

impl Source {
    #[cfg(test)]
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), tests: false }
    }

    /// From the root, with forward slashes.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Its text without the tests at its end; nothing for a file of tests.
    pub(super) fn code(&self) -> &str {
        if self.tests { "" } else { self.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default() }
    }
}

/// All source files of all rooms.
pub(super) fn read(root: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    for room in std::fs::read_dir(root.join("crates")).context("no crates")?.flatten() {
        collect(root, &room.path().join("src"), &mut files)?;
    }
    collect(root, &root.join("xtask/src"), &mut files)?;
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<Source>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            let tests = path.ends_with("/tests.rs") || path.contains("/tests/");
            files.push(Source { path, text, tests });
        }
    }
    Ok(())
}

/// What is wrong with the files.
pub(super) fn check(files: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files {
        if !file.text.starts_with("//!") {
            wrong.push(format!("{}: does not begin with `//!`, what it is for", file.path));
        }
        let length = code_lines(&file.text);
        if !file.tests && length > LONGEST {
            wrong.push(format!("{}: {length} lines of code, more than {LONGEST}", file.path));
        }
    }
    wrong
}

/// The median length of the files that are not tests, in lines without their tests.
pub(super) fn median_length(files: &[Source]) -> usize {
    let mut lengths: Vec<usize> = files.iter().filter(|file| !file.tests).map(|file| code_lines(&file.text)).collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or(0)
}

/// Statements written once per engine in the store: the budget is in docs/sql.md.
pub(super) fn sql_pairs(files: &[Source]) -> usize {
    let store = files.iter().filter(|file| file.path.starts_with("crates/hub-store/"));
    store.map(|file| file.text.lines().filter(|line| line.trim_start().starts_with("lite:")).count()).sum()
}

/// Lines up to the tests, which stand last in a file.
fn code_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::new(path, text)
    }

    #[test]
    fn a_file_without_its_first_comment_or_too_long_is_not_tidy() {
        assert_eq!(check(&[source("a.rs", "//! For a.\n")]).len(), 0);
        assert_eq!(check(&[source("a.rs", "fn main() {}\n")]).len(), 1);
        assert_eq!(check(&[source("a.rs", &format!("//! Long.\n{}", "\n".repeat(500)))]).len(), 1);
    }

    #[test]
    fn tests_at_the_end_do_not_count() {
        let text = format!("//! Short.\nfn code() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(900));
        assert_eq!(code_lines(&text), 2);
        assert_eq!(check(&[source("a.rs", &text)]).len(), 0);
    }
}
