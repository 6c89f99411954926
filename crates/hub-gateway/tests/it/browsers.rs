//! What a browser sees: CORS, security headers, the pages.

use axum::Router;
use axum::body::Body;
use axum::response::Html;
use axum::routing::{get, post};
use http::{Request, Response};
use hub_gateway::{GatewayParts, front_door};

use crate::kit::{call, get_of, json_of, local, parts, text};

fn app() -> Router {
    let routes = Router::new()
        .route("/api/things", get(async || "things"))
        .route("/api/auth/login", post(async || "token"))
        .route("/api/own", get(async || ([("content-security-policy", "default-src 'self'")], Html("<p>own</p>"))));
    let origins = vec!["https://app.example".into(), "null".into(), "*".into()];
    front_door(GatewayParts { cors_origins: origins, ..parts(vec![local("/api", routes)]) })
}

fn from(origin: &str, method: &str, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("origin", origin);
    request.header("access-control-request-headers", "authorization").body(Body::empty()).unwrap()
}

fn preflight(origin: &str) -> Request<Body> {
    let mut request = from(origin, "OPTIONS", "/api/things");
    request.headers_mut().insert("access-control-request-method", "GET".parse().unwrap());
    request
}

fn varies<B>(response: &Response<B>) -> bool {
    response.headers().get_all("vary").iter().any(|value| value == "Origin")
}

#[tokio::test]
async fn only_the_listed_origin_is_echoed() {
    let good = call(&app(), from("https://app.example", "GET", "/api/things")).await;
    assert_eq!(good.headers()["access-control-allow-origin"], "https://app.example");
    assert_eq!(good.headers()["access-control-allow-credentials"], "true");
    assert!(varies(&good));
    for evil in
        ["https://evil.example", "null", "*", "http://app.example", "https://app.example.evil", "https://xapp.example"]
    {
        for request in [from(evil, "GET", "/api/things"), preflight(evil)] {
            let response = call(&app(), request).await;
            for name in
                ["access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods"]
            {
                assert!(!response.headers().contains_key(name), "{evil} {name}");
            }
            assert!(varies(&response), "{evil}");
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_at_the_door_and_errors_can_be_read_too() {
    let response = call(&app(), preflight("https://app.example")).await;
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["access-control-allow-headers"], "authorization");
    let error = call(&app(), from("https://app.example", "GET", "/api/nowhere")).await;
    assert_eq!(error.status(), 404);
    assert_eq!(error.headers()["access-control-allow-origin"], "https://app.example");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let large = Request::post("/api/auth/login").header("content-length", "3000000").body(Body::empty()).unwrap();
    let trace = Request::builder().method("TRACE").uri("/").body(Body::empty()).unwrap();
    for (request, status) in [
        (get_of("/"), 200),
        (get_of("/docs"), 200),
        (get_of("/docs/docs.js"), 200),
        (get_of("/api/things"), 200),
        (get_of("/nowhere"), 404),
        (get_of("/metrics"), 401),
        (large, 413),
        (trace, 405),
        (preflight("https://app.example"), 204),
    ] {
        let label = format!("{} {}", request.method(), request.uri());
        let response = call(&app(), request).await;
        let headers = response.headers();
        assert_eq!(response.status(), status, "{label}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{label}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{label}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{label}");
        assert!(!policy.contains("unsafe-inline"), "{label}");
        assert!(headers.contains_key("x-request-id"), "{label}");
        let html = headers.get("content-type").is_some_and(|value| value.to_str().unwrap().starts_with("text/html"));
        assert_eq!(headers.contains_key("cross-origin-opener-policy"), html, "{label}");
        assert!(!headers.contains_key("strict-transport-security"), "{label}");
    }
}

#[tokio::test]
async fn secrets_are_not_cached_https_is_remembered_and_a_pages_own_policy_is_kept() {
    let login = Request::post("/api/auth/login").body(Body::empty()).unwrap();
    assert_eq!(call(&app(), login).await.headers()["cache-control"], "no-store");
    assert_eq!(call(&app(), get_of("/api/own")).await.headers()["content-security-policy"], "default-src 'self'");
    let secure = GatewayParts { public_url: "https://hub.example".parse().unwrap(), ..parts(Vec::new()) };
    let response = call(&front_door(secure), get_of("/")).await;
    assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
}

#[tokio::test]
async fn the_pages_need_nothing_from_elsewhere_and_nothing_inline() {
    for path in ["/", "/docs"] {
        let page = text(call(&app(), get_of(path)).await).await;
        for needed in ["<html lang=\"en\">", "<main>", "<h1>", "name=\"viewport\"", "<title>", "aria-label=\"Main\""] {
            assert!(page.contains(needed), "{path} lacks {needed}");
        }
        for banned in ["<style", "style=\"", "onclick", "//cdn", "<script>", "{{"] {
            assert!(!page.contains(banned), "{path} holds {banned}");
        }
        for (_, link) in page
            .match_indices("=\"/")
            .map(|(at, _)| page[at + 2..].split_once('"').map_or((0, ""), |(link, _)| (at, link)))
        {
            let status = call(&app(), get_of(link)).await.status();
            assert_eq!(status, 200, "{path} links to {link}");
        }
    }
    let start = text(call(&app(), get_of("/")).await).await;
    assert!(start.contains("curl http://hub.example:3000/api/auth/login"));
}

#[tokio::test]
async fn the_document_is_served() {
    let document = json_of(call(&app(), get_of("/api/openapi.json")).await).await;
    assert_eq!(document["info"]["title"], "Smart AI Hub");
    assert_eq!(call(&app(), get_of("/favicon.ico")).await.headers()["content-type"], "image/svg+xml");
}

#[tokio::test]
async fn a_web_ui_takes_the_place_of_the_start_page() {
    let ui = Router::new().fallback(async || Html("<p>ui</p>"));
    let app = front_door(parts(vec![local("/", ui)]));
    assert_eq!(text(call(&app, get_of("/")).await).await, "<p>ui</p>");
    assert_eq!(text(call(&app, get_of("/chat/7")).await).await, "<p>ui</p>");
    assert_eq!(call(&app, get_of("/health/live")).await.status(), 200);
    assert!(text(call(&app, get_of("/docs")).await).await.contains("API reference"));
}
