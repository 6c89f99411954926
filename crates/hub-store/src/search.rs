//! Patterns that find text wherever it stands, in whatever case: the same rows on both engines. Knows no tables.
//!
//! `lower()` folds ASCII only on SQLite, and on a PostgreSQL whose locale is C; elsewhere it folds what the locale does. So the pattern
//! itself says which letters are meant, `[üÜ]`, and nothing is folded. SQLite reads it with `GLOB`, PostgreSQL with `~`.

use std::collections::BTreeSet;

use crate::Tx;

/// The pattern for text that contains this one, whatever stands in it, in the language of this engine. Case does not matter, except
/// where a letter becomes several in the other one, such as `ß`. The empty text is contained in every other one.
pub(crate) fn containing(tx: &Tx, text: &str) -> String {
    match tx {
        Tx::Postgres(_) => expression(text),
        Tx::Sqlite(_) => glob(text),
    }
}

/// A regular expression of PostgreSQL, for `~`.
fn expression(text: &str) -> String {
    pattern(text, |pattern, character| {
        if r"\.[]{}()*+?^$|".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    })
}

/// A pattern of SQLite, for `GLOB`.
fn glob(text: &str) -> String {
    let middle = pattern(text, |pattern, character| match character {
        '*' | '?' | '[' => pattern.extend(['[', character, ']']),
        _ => pattern.push(character),
    });
    format!("*{middle}*")
}

/// Letters with their other cases, in brackets, and everything else as `literal` writes it.
fn pattern(text: &str, literal: impl Fn(&mut String, char)) -> String {
    let mut pattern = String::with_capacity(text.len() * 4);
    for character in text.chars() {
        let cases = cases(character);
        if cases.len() > 1 {
            pattern.push('[');
            pattern.extend(cases);
            pattern.push(']');
        } else {
            literal(&mut pattern, character);
        }
    }
    pattern
}

/// A letter in every case it has, as far as that is one letter.
fn cases(character: char) -> BTreeSet<char> {
    let small = |character: char| only(character.to_lowercase()).unwrap_or(character);
    let large = |character: char| only(character.to_uppercase()).unwrap_or(character);
    [character, small(character), large(character), small(large(character)), large(small(character))].into()
}

fn only(mut characters: impl Iterator<Item = char>) -> Option<char> {
    let first = characters.next()?;
    characters.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_in_every_case_and_signs_for_themselves() {
        assert_eq!((expression("aÜ"), glob("aÜ")), ("[Aa][Üü]".to_owned(), "*[Aa][Üü]*".to_owned()));
        assert_eq!((expression("5 *?"), glob("5 *?")), (r"5 \*\?".to_owned(), "*5 [*][?]*".to_owned()));
        assert_eq!((expression("[^ß]\\"), glob("[^ß]\\")), (r"\[\^ß\]\\".to_owned(), "*[[]^ß]\\*".to_owned()));
        assert_eq!((expression(""), glob("")), (String::new(), "**".to_owned()));
    }

    #[test]
    fn the_pattern_is_the_same_for_every_case_of_a_text() {
        for (one, other) in
            [("Überweisung", "üBERWEISUNG"), ("ÉCOLE", "école"), ("Ωμέγα", "ωΜΈΓΑ"), ("Привет", "пРИВЕТ")]
        {
            assert_eq!(glob(one), glob(other));
        }
    }
}
