//! Names in the OpenAPI document: a schema is called as its type, so two types of one name would become one schema, and whichever is read
//! first would stand for both.

use std::collections::BTreeMap;

use super::files::Source;

/// Names that two types would have in the document.
pub(super) fn check(files: &[Source]) -> Vec<String> {
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    let mut wrong = Vec::new();
    for file in files {
        for name in names(file.code()) {
            if let Some(there) = known.insert(name.clone(), file.path()) {
                wrong.push(format!(
                    "{}: the schema {name} is in {there} too: give it `#[schema(as = ...)]`",
                    file.path()
                ));
            }
        }
    }
    wrong
}

/// What the types of a file that derive `ToSchema` are called.
fn names(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut derives, mut renamed) = (false, None);
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[derive(") && line.contains("ToSchema") {
            derives = true;
        } else if let Some(rest) = line.strip_prefix("#[schema(as = ").filter(|_| derives) {
            renamed = Some(word(rest));
        } else if let Some(name) = declared(line) {
            if derives {
                found.push(renamed.unwrap_or(name));
            }
            (derives, renamed) = (false, None);
        }
    }
    found
}

/// The name of the type that this line declares.
fn declared(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
    matches!(words.next(), Some("struct" | "enum")).then(|| words.next().map(word))?
}

fn word(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_the_type_or_the_one_it_is_given() {
        let text = "#[derive(Debug, ToSchema)]\n#[serde(rename_all = \"camelCase\")]\n/// A thing.\npub(crate) struct Thing {\n\
                    #[derive(Clone)]\nstruct Other;\n#[derive(ToSchema)]\n#[schema(as = Named)]\nenum View<T> {\n";
        assert_eq!(names(text), ["Thing", "Named"]);
    }

    #[test]
    fn two_types_of_one_name_are_not_tidy() {
        let text = "//! x\n#[derive(ToSchema)]\nstruct Thing;\n";
        let source = |path: &str| Source::new(path, text);
        assert_eq!(check(&[source("a.rs")]).len(), 0);
        assert_eq!(check(&[source("a.rs"), source("b.rs")]).len(), 1);
    }
}
