//! The pages of this room: plain, printable, without script, under a policy that allows none.

use std::fmt::Write;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

/// The only style of these pages; the policy names its hash.
const STYLE: &str = include_str!("page.css");
/// Nothing but that style, and forms that lead back here.
const POLICY: &str = "default-src 'none'; style-src 'sha256-Zj0o00WWotounUTCtsnjCX6pPKO3eKCV/zqfiplhxqQ='; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// A page of blocks under a heading. Every text is escaped here.
pub(super) struct Page {
    title: String,
    body: String,
}

impl Page {
    pub(super) fn new(title: &str) -> Self {
        let title = escape(title);
        let body = format!("<h1>{title}</h1>");
        Self { title, body }
    }

    /// Adds a paragraph.
    pub(super) fn text(mut self, text: &str) -> Self {
        // Writing to a string does not fail.
        let _ = write!(self.body, "<p>{}</p>", escape(text));
        self
    }

    /// Adds lines that belong together, such as an address.
    pub(super) fn lines<'a>(mut self, heading: &str, lines: impl IntoIterator<Item = &'a str>) -> Self {
        let lines: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).map(escape).collect();
        if !lines.is_empty() {
            let _ = write!(self.body, "<section><h2>{}</h2><p>{}</p></section>", escape(heading), lines.join("<br>"));
        }
        self
    }

    /// Adds a table of names and values.
    pub(super) fn table(mut self, rows: &[(&str, String)]) -> Self {
        self.body.push_str("<table>");
        for (name, value) in rows {
            let _ = write!(self.body, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(name), escape(value));
        }
        self.body.push_str("</table>");
        self
    }

    /// Adds buttons that send `action` to this page's own address.
    pub(super) fn buttons(mut self, buttons: &[(&str, &str)]) -> Self {
        self.body.push_str("<form method=\"post\">");
        for (action, label) in buttons {
            let (action, label) = (escape(action), escape(label));
            let _ = write!(self.body, "<button name=\"action\" value=\"{action}\">{label}</button>");
        }
        self.body.push_str("</form>");
        self
    }

    /// Adds the way back to the start page.
    pub(super) fn way_back(mut self) -> Self {
        self.body.push_str("<p><a href=\"/\">Back to the start page</a></p>");
        self
    }

    pub(super) fn into_response(self) -> Response {
        let Self { title, body } = self;
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, \
             initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><style>{STYLE}</style></head>\
             <body><main>{body}</main></body></html>"
        );
        let mut response = Response::new(Body::from(html));
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        response
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_policy_names_the_style_and_no_other() {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "put {hash} into the policy");
        assert!(!POLICY.contains("unsafe-inline") && !STYLE.contains("url("));
    }

    #[test]
    fn texts_of_strangers_stay_texts() {
        let page = Page::new("<i>").text("a & b").lines("To", ["<script>", ""]).table(&[("x", "\"y\"".to_owned())]);
        for expected in ["<h1>&lt;i&gt;</h1>", "a &amp; b", "&lt;script&gt;", "&quot;y&quot;"] {
            assert!(page.body.contains(expected), "{expected} is not in {}", page.body);
        }
    }
}
