//! The few pages the gateway serves itself: the start page, the API document and a page to read and try it, and those that mails link to.
//!
//! Everything is embedded, plain and from this origin: no inline script, no inline style, nothing fetched from
//! elsewhere. `tests/e2e/pages` looks at them in a browser.

mod account;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use hub_web::html::escape;
use url::Url;
use utoipa::openapi::OpenApi;

const START_PAGE: &str = include_str!("start.html");
const DOCS_PAGE: &str = include_str!("docs.html");
const ICON: &str = include_str!("icon.svg");

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// What the pages load. It stands below `/docs`, which no web UI takes over.
const ASSETS: [(&str, &str, &str); 10] = [
    ("/docs/style.css", CSS, include_str!("style.css")),
    ("/docs/icon.svg", SVG, ICON),
    ("/docs/account.js", SCRIPT, include_str!("account.js")),
    ("/docs/answer.js", SCRIPT, include_str!("answer.js")),
    ("/docs/docs.js", SCRIPT, include_str!("docs.js")),
    ("/docs/dom.js", SCRIPT, include_str!("dom.js")),
    ("/docs/operation.js", SCRIPT, include_str!("operation.js")),
    ("/docs/schema.js", SCRIPT, include_str!("schema.js")),
    ("/docs/start.js", SCRIPT, include_str!("start.js")),
    ("/docs/try_it.js", SCRIPT, include_str!("try_it.js")),
];

/// `/api/openapi.json` and `/docs…`. A document that cannot be written is left empty and reported once at the start.
pub(crate) fn docs(document: &OpenApi) -> Router {
    let json = document.to_json().unwrap_or_else(|error| {
        tracing::error!(%error, "the API document cannot be written");
        String::from("{}")
    });
    let pages = Router::new()
        .route("/api/openapi.json", get(async |State(json): State<Bytes>| file("application/json", json)))
        .with_state(Bytes::from(json))
        .route("/docs", get(async || text(HTML, DOCS_PAGE)))
        .route("/docs/", get(async || text(HTML, DOCS_PAGE)));
    ASSETS.into_iter().fold(pages, |router, (path, content_type, body)| {
        router.route(path, get(async move || text(content_type, body)))
    })
}

/// `/`, the icon and the pages that mails link to, where no web UI is served.
pub(crate) fn start(public_url: &Url) -> Router {
    let address = escape(public_url.as_str().trim_end_matches('/'));
    let page: Arc<str> = START_PAGE.replace("{{address}}", &address).into();
    Router::new()
        .route("/", get(async |State(page): State<Arc<str>>| file(HTML, Bytes::copy_from_slice(page.as_bytes()))))
        .with_state(page)
        .route("/favicon.ico", get(async || text(SVG, ICON)))
        .merge(account::router())
}

fn text(content_type: &'static str, body: &'static str) -> Response {
    file(content_type, Bytes::from_static(body.as_bytes()))
}

/// Pages change with the binary, so a cache must ask before it uses its copy for long.
fn file(content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_that_a_script_imports_is_served() {
        let scripts = ASSETS.iter().filter(|(_, content_type, _)| *content_type == SCRIPT);
        let mut imports = 0;
        for (path, _, body) in scripts {
            for (_, rest) in body.match_indices("from \"./").map(|(at, quote)| body.split_at(at + quote.len())) {
                let module = format!("/docs/{}", rest.split('"').next().unwrap());
                assert!(ASSETS.iter().any(|(served, ..)| *served == module), "{path} imports {module}");
                imports += 1;
            }
        }
        assert!(imports > 5, "the imports were not found");
    }

    #[test]
    fn nothing_names_another_server_or_writes_markup() {
        for (path, _, body) in ASSETS.iter().filter(|(path, ..)| *path != "/docs/icon.svg") {
            for banned in ["http://", "https://", "innerHTML", "insertAdjacentHTML", "localStorage", "url("] {
                assert!(!body.contains(banned), "{path} holds {banned}");
            }
        }
    }

    #[test]
    fn the_start_page_is_exact_for_the_address_and_escapes_it() {
        assert!(START_PAGE.matches("{{address}}").count() > 6);
        assert_eq!(escape("http://h/?a=\"<&'>"), "http://h/?a=&quot;&lt;&amp;&#39;&gt;");
    }
}
