//! The two forms of every mail: plain text, and one HTML page that says the same.
//!
//! The page holds nothing from elsewhere: no image, no font, no script, so opening a mail tells nobody anything. Every text is escaped.

use super::mails::Letter;

/// Everything before the first paragraph; the subject stands at `{}` twice.
const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
    <title>{}</title></head><body style=\"margin:0;padding:24px;font:16px/1.5 sans-serif\">\
    <main style=\"max-width:36em;margin:0 auto\"><h1 style=\"font-size:20px;margin:0 0 16px\">{}</h1>";
const TAIL: &str = "</main></body></html>";
/// Longest word that is shown as a code.
const LONGEST_CODE: usize = 16;

/// For every reader.
pub(super) fn text(letter: &Letter<'_>) -> String {
    let mut blocks = letter.paragraphs.clone();
    if let Some(link) = &letter.link {
        blocks.insert(link_place(&letter.paragraphs), link.clone());
    }
    blocks.join("\n\n") + "\n"
}

/// For readers that show HTML.
pub(super) fn html(letter: &Letter<'_>) -> String {
    let mut blocks: Vec<String> = letter.paragraphs.iter().map(|text| paragraph(text)).collect();
    if let Some(link) = &letter.link {
        // The address is the text of the link: who reads it sees where it leads.
        let link = escape(link);
        blocks.insert(
            link_place(&letter.paragraphs),
            format!("<p style=\"word-break:break-all\"><a href=\"{link}\">{link}</a></p>"),
        );
    }
    let head = HEAD.replace("{}", &escape(&letter.subject));
    format!("{head}{}{TAIL}\n", blocks.concat())
}

/// A code stands out, so that it is found and typed without a mistake.
fn paragraph(text: &str) -> String {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_code =
        text.len() <= LONGEST_CODE && text.chars().all(letter) && text.bytes().any(|byte| byte.is_ascii_digit());
    let style = if is_code { " style=\"font:bold 24px/1.5 monospace;letter-spacing:3px\"" } else { "" };
    format!("<p{style}>{}</p>", escape(text))
}

/// After the last paragraph that ends in a colon; else last.
fn link_place(paragraphs: &[String]) -> usize {
    paragraphs.iter().rposition(|text| text.ends_with(':')).map_or(paragraphs.len(), |at| at + 1)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use hub_types::Email;

    use super::*;

    fn letter(to: &Email) -> Letter<'_> {
        Letter {
            subject: "Hello & <welcome>".to_owned(),
            paragraphs: vec![
                "Enter this code:".to_owned(),
                "123456".to_owned(),
                "Or open <this>:".to_owned(),
                "Else do nothing.".to_owned(),
            ],
            link: Some("http://hub/x?a=1&b='2\"".to_owned()),
            dedupe_key: None,
            to,
        }
    }

    #[test]
    fn the_link_follows_its_sentence() {
        let to = "ada@example.com".parse().unwrap();
        let expected = "Enter this code:\n\n123456\n\nOr open <this>:\n\nhttp://hub/x?a=1&b='2\"\n\nElse do nothing.\n";
        assert_eq!(text(&letter(&to)), expected);
        let page = html(&letter(&to));
        let link = "<a href=\"http://hub/x?a=1&amp;b=&#39;2&quot;\">http://hub/x?a=1&amp;b=&#39;2&quot;</a></p><p>Else";
        assert!(page.contains(link), "{page}");
    }

    #[test]
    fn the_page_is_escaped_whole_and_needs_nothing_from_elsewhere() {
        let to = "ada@example.com".parse().unwrap();
        let page = html(&letter(&to));
        for needed in [
            "<!doctype html><html lang=\"en\">",
            "<title>Hello &amp; &lt;welcome&gt;</title>",
            "<h1 style=\"font-size:20px;margin:0 0 16px\">Hello &amp; &lt;welcome&gt;</h1>",
            "<p>Or open &lt;this&gt;:</p>",
            "monospace;letter-spacing:3px\">123456</p>",
        ] {
            assert!(page.contains(needed), "{needed} is not in {page}");
        }
        for banned in ["<img", "<script", "<link", "url(", "src="] {
            assert!(!page.contains(banned), "{banned} is in {page}");
        }
    }

    #[test]
    fn words_are_not_taken_for_codes() {
        assert!(!paragraph("Hello").contains("monospace") && !paragraph("See you at 7:").contains("monospace"));
        assert!(paragraph("ab3d-9fgh").contains("monospace"));
    }
}
