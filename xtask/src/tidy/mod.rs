//! `cargo xtask tidy`: the shape of the house, as far as a machine can see it.

mod arrows;
mod files;
mod schemas;

use anyhow::{Result, bail};

use crate::repo;

/// Checks everything and prints all that is wrong, then a few numbers.
pub(crate) fn run() -> Result<()> {
    let mut wrong = arrows::check(&repo::metadata()?)?;
    let files = files::read(repo::root())?;
    wrong.extend(files::check(&files));
    wrong.extend(schemas::check(&files));
    for line in &wrong {
        eprintln!("{line}");
    }
    println!("code files: {}, median {} lines", files.len(), files::median_length(&files));
    println!("pairs of SQL texts: {}", files::sql_pairs(&files));
    if !wrong.is_empty() {
        bail!("{} things are not tidy", wrong.len());
    }
    Ok(())
}
