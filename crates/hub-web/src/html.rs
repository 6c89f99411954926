//! The small pages that the hub serves itself, for people whom a mail, a provider or a payment sent here: plain, printable, light and dark,
//! nothing inline but one style that the policy names by its hash.
//!
//! Every text is escaped here. A page must never show a credential, and looking at one must never change anything.

mod form;

use std::fmt::Write;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

pub use form::{Field, Form};

/// The only style of these pages; both policies name its hash.
const STYLE: &str = include_str!("html.css");
/// Nothing but that style, and forms that lead back here.
const POLICY: &str = "default-src 'none'; style-src 'sha256-JBXkRRLeo5Nr3Yh1uH2ANoPdM4vybetmEL1I1zAfHw8='; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";
/// The same, and scripts of this origin that ask this origin. A form is sent by the script or not at all.
const SCRIPT_POLICY: &str = "default-src 'none'; style-src 'sha256-JBXkRRLeo5Nr3Yh1uH2ANoPdM4vybetmEL1I1zAfHw8='; script-src 'self'; \
                             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page of blocks under a heading.
pub struct Page {
    status: StatusCode,
    title: String,
    body: String,
    script: Option<&'static str>,
}

impl Page {
    /// An empty page, answered with 200.
    pub fn new(title: &str) -> Self {
        let title = escape(title);
        let body = format!("<h1>{title}</h1>");
        Self { status: StatusCode::OK, title, body, script: None }
    }

    /// Answers with another status.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a paragraph.
    pub fn text(mut self, text: &str) -> Self {
        // Writing to a string does not fail.
        let _ = write!(self.body, "<p>{}</p>", escape(text));
        self
    }

    /// Adds a code to be read and typed.
    pub fn code(mut self, code: &str) -> Self {
        let _ = write!(self.body, "<p class=\"code\"><code>{}</code></p>", escape(code));
        self
    }

    /// Adds lines that belong together, such as an address; empty ones are left out.
    pub fn lines<'a>(mut self, heading: &str, lines: impl IntoIterator<Item = &'a str>) -> Self {
        let lines: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).map(escape).collect();
        if !lines.is_empty() {
            let _ = write!(self.body, "<section><h2>{}</h2><p>{}</p></section>", escape(heading), lines.join("<br>"));
        }
        self
    }

    /// Adds a table of names and values.
    pub fn table(mut self, rows: &[(&str, String)]) -> Self {
        self.body.push_str("<table>");
        for (name, value) in rows {
            let _ = write!(self.body, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(name), escape(value));
        }
        self.body.push_str("</table>");
        self
    }

    /// Adds buttons that send `action` to this page's own address, without any script.
    pub fn buttons(mut self, buttons: &[(&str, &str)]) -> Self {
        self.body.push_str("<form method=\"post\">");
        for (action, label) in buttons {
            let (action, label) = (escape(action), escape(label));
            let _ = write!(self.body, "<button name=\"action\" value=\"{action}\">{label}</button>");
        }
        self.body.push_str("</form>");
        self
    }

    /// Adds a form that the script at `script`, a path of this origin, sends to the API.
    pub fn form(mut self, form: &Form, script: &'static str) -> Self {
        form.write(&mut self.body);
        self.script = Some(script);
        self
    }

    /// Adds a link to another page of this origin.
    pub fn link(mut self, path: &str, label: &str) -> Self {
        let _ = write!(self.body, "<p><a href=\"{}\">{}</a></p>", escape(path), escape(label));
        self
    }

    /// Adds the way back to the start page.
    pub fn way_back(self) -> Self {
        self.link("/", "Back to the start page")
    }

    /// The answer.
    pub fn into_response(self) -> Response {
        let Self { status, title, mut body, script } = self;
        if let Some(script) = script {
            let _ = write!(
                body,
                "<noscript><p>This page needs JavaScript, which your browser does not run.</p></noscript><script type=\"module\" \
                 src=\"{script}\"></script>"
            );
        }
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, \
             initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><style>{STYLE}</style></head>\
             <body><main>{body}</main></body></html>"
        );
        let mut response = Response::new(Body::from(html));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        let policy = if script.is_some() { SCRIPT_POLICY } else { POLICY };
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        response
    }
}

/// Text that stays text between tags and in quoted attributes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_policies_name_the_style_and_no_other() {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        for policy in [POLICY, SCRIPT_POLICY] {
            assert!(policy.contains(&format!("'sha256-{hash}'")), "put {hash} into the policy");
            assert!(!policy.contains("unsafe"));
        }
        assert!(!STYLE.contains("url("));
    }

    #[test]
    fn texts_of_strangers_stay_texts() {
        let page = Page::new("<i>").text("a & b").lines("To", ["<script>", ""]).table(&[("x", "\"y\"".to_owned())]);
        for expected in ["<h1>&lt;i&gt;</h1>", "a &amp; b", "&lt;script&gt;", "&quot;y&quot;"] {
            assert!(page.body.contains(expected), "{expected} is not in {}", page.body);
        }
        assert_eq!(escape("<img src='x' onerror=\"a&b\">"), "&lt;img src=&#39;x&#39; onerror=&quot;a&amp;b&quot;&gt;");
    }

    #[test]
    fn only_a_page_with_a_script_may_run_one() {
        let policy = |page: Page| page.into_response().headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(!policy(Page::new("x").buttons(&[("pay", "Pay")])).contains("script-src"));
        let form = Form { post: "/api/x", fields: &[], button: "Go", done: "Done" };
        assert!(policy(Page::new("x").form(&form, "/docs/account.js")).contains("script-src 'self'"));
    }
}
