//! Limits of size and speed, for bodies with and without a length.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use bytes::Bytes;
use futures::StreamExt;
use http::{Request, StatusCode};
use hub_web::{ApiError, RawBody};

use crate::kit::{call, composed, json};

fn router() -> Router {
    async fn size(RawBody(bytes): RawBody) -> String {
        bytes.len().to_string()
    }
    // A handler that makes its own sense of a body that broke off.
    async fn own_sense(body: Result<Bytes, axum::extract::rejection::BytesRejection>) -> Result<String, ApiError> {
        body.map(|bytes| bytes.len().to_string()).map_err(|_| ApiError::not_found("Something else"))
    }
    composed(
        Router::new()
            .route("/things", post(size))
            .route("/v1/things", post(size))
            .route("/api/auth/login", post(size))
            .route("/own-sense", post(own_sense)),
    )
}

fn sized(path: &str, size: usize) -> Request<Body> {
    Request::post(path).header("content-length", size).body(Body::from(vec![b'x'; size])).unwrap()
}

fn chunked(path: &str, size: usize) -> Request<Body> {
    let pieces =
        futures::stream::iter(vec![b'x'; size]).chunks(64).map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
    Request::post(path).body(Body::from_stream(pieces)).unwrap()
}

#[tokio::test]
async fn each_path_has_its_limit_however_the_body_is_sent() {
    for make in [sized, chunked] {
        for (path, size, status) in [
            ("/things", 1000, 200),
            ("/things", 1001, 413),
            ("/v1/things", 5000, 200),
            ("/v1/things", 5001, 413),
            ("/api/auth/login", 100, 200),
            ("/api/auth/login", 101, 413),
            ("/own-sense", 1001, 413),
        ] {
            let response = call(router(), make(path, size)).await;
            assert_eq!(response.status(), status, "{path} {size}");
            if status == 413 {
                assert_eq!(response.headers()["connection"], "close");
                assert_eq!(json(response).await["error"]["code"], "PAYLOAD_TOO_LARGE");
            }
        }
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let endless = futures::stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 512])));
    let request = Request::post("/things").body(Body::from_stream(endless)).unwrap();
    assert_eq!(call(router(), request).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_answered_with_408() {
    for path in ["/things", "/own-sense"] {
        let start = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
        let request = Request::post(path).body(Body::from_stream(start.chain(futures::stream::pending()))).unwrap();
        let response = call(router(), request).await;
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT, "{path}");
        assert_eq!(json(response).await["error"]["code"], "REQUEST_TIMEOUT");
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off_although_it_never_pauses_long() {
    use hub_web::BodyTimeout;
    use std::time::Duration;

    let limit = BodyTimeout { idle: Duration::from_millis(60), min_rate: 1000 };
    let app = hub_web::with_body_timeout(Router::new().route("/", post(async |RawBody(_): RawBody| "all")), limit);
    let mut beat = tokio::time::interval(Duration::from_millis(5));
    let trickle = futures::stream::poll_fn(move |cx| {
        beat.poll_tick(cx).map(|_| Some(Ok::<_, Infallible>(Bytes::from_static(b"x"))))
    });
    let response = call(app, Request::post("/").body(Body::from_stream(trickle)).unwrap()).await;
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}
