//! The few pages of this edge, for people whom a provider sent here: plain, without script, under a policy that allows none.

use std::fmt::Write;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

/// Nothing but the style sheet of the front door.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page of a heading and paragraphs. Every text is escaped here.
pub(super) struct Page {
    status: StatusCode,
    title: &'static str,
    body: String,
}

impl Page {
    pub(super) fn new(status: StatusCode, title: &'static str) -> Self {
        Self { status, title, body: String::new() }
    }

    /// Adds a paragraph.
    pub(super) fn text(mut self, text: &str) -> Self {
        // Writing to a string does not fail.
        let _ = write!(self.body, "<p>{}</p>", escape(text));
        self
    }

    /// Adds a code to be read and typed.
    pub(super) fn code(mut self, code: &str) -> Self {
        let _ = write!(self.body, "<p class=\"lead\"><strong><code>{}</code></strong></p>", escape(code));
        self
    }

    /// Adds the way back to the start page.
    pub(super) fn way_back(mut self) -> Self {
        self.body.push_str("<p><a href=\"/\">Back to the start page</a></p>");
        self
    }

    pub(super) fn into_response(self) -> Response {
        let Self { status, title, body } = self;
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, \
             initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><link rel=\"stylesheet\" \
             href=\"/docs/style.css\"></head><body><main class=\"narrow\"><h1>{title}</h1>{body}</main></body></html>"
        );
        let mut response = Response::new(Body::from(html));
        *response.status_mut() = status;
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
    use super::escape;

    #[test]
    fn texts_of_strangers_stay_texts() {
        assert_eq!(escape("<img src='x' onerror=\"a&b\">"), "&lt;img src=&#39;x&#39; onerror=&quot;a&amp;b&quot;&gt;");
    }
}
