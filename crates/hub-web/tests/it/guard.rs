//! Routes are closed unless the gatekeeper opens them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Request;
use hub_types::{ApiKeyId, Caller, Clock, Credential, ErrorCode, RateTier, UserId, UserLimits};
use hub_web::{
    Admission, ApiError, Authenticated, Gatekeeper, Knock, LimitState, MaybeCaller, OpenRoutes, Path, Presented,
    Refusal, RouteKind, guarded,
};

use crate::kit::{call, composed, json};

/// Knows one key, limits one address, and remembers every knock.
#[derive(Default)]
struct Porter {
    knocks: Mutex<Vec<Knock>>,
    refusals: Mutex<Vec<Refusal>>,
    careless: bool,
}

impl Gatekeeper for Porter {
    fn admit(&self, knock: Knock) -> BoxFuture<'_, Result<Admission, ApiError>> {
        self.knocks.lock().unwrap().push(knock.clone());
        let limit = LimitState { limit: 10, remaining: 3, reset: Duration::from_secs(30) };
        let outcome = match knock.presented {
            Presented::ApiKey(key) if key == "sk_good" => Ok(Some(caller())),
            Presented::ApiKey(key) if key == "sk_busy" => {
                Err(ApiError::new(ErrorCode::RateLimitExceeded).limit(LimitState { remaining: 0, ..limit }))
            }
            _ if self.careless => Ok(None),
            Presented::Nothing if knock.route != RouteKind::Closed => Ok(None),
            _ => Err(ApiError::unauthenticated()),
        };
        async move { outcome.map(|caller| Admission { caller, limit: Some(limit) }) }.boxed()
    }

    fn refused(&self, refusal: Refusal) -> BoxFuture<'_, ()> {
        self.refusals.lock().unwrap().push(refusal);
        async {}.boxed()
    }
}

fn caller() -> Caller {
    let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
    Caller {
        user: UserId::new(&clock),
        email: "a@example.com".parse().unwrap(),
        name: "Ada".into(),
        roles: ["user".to_owned()].into(),
        permissions: Arc::default(),
        verified: true,
        credential: Credential::ApiKey(ApiKeyId::new(&clock)),
        acting: None,
        models: Arc::default(),
        line: None,
        budgets: Arc::default(),
        limits: UserLimits::default(),
        tier: RateTier::User,
        address: None,
    }
}

fn router(porter: Arc<Porter>) -> Router {
    async fn mine(Authenticated(caller): Authenticated) -> String {
        caller.name
    }
    async fn open(MaybeCaller(caller): MaybeCaller) -> String {
        caller.map_or("nobody".into(), |caller| caller.name)
    }
    async fn forbidden(Path(code): Path<String>) -> ApiError {
        ApiError::new(if code == "frozen" { ErrorCode::AccountFrozen } else { ErrorCode::Forbidden })
    }
    let routes = Router::new()
        .route("/mine", get(mine))
        .route("/open/{id}", get(open).post(open))
        .route("/either", get(open))
        .route("/forbidden/{code}", get(forbidden))
        .route("/wrong", post(open));
    let open = OpenRoutes {
        public: &[("GET", "/open/{id}"), ("GET", "/forbidden/{code}")],
        optional: &[("GET", "/either")],
        signed: &[],
    };
    composed(guarded(routes, porter, open))
}

fn with_key(path: &str, key: &str) -> Request<Body> {
    Request::get(path).header("x-api-key", key).body(Body::empty()).unwrap()
}

fn bare(method: &str, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_known_caller_reaches_the_handler_and_learns_its_limit() {
    let response = call(router(Arc::default()), with_key("/mine", "sk_good")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["ratelimit-limit"], "10");
    assert_eq!(response.headers()["ratelimit-remaining"], "3");
    assert_eq!(response.headers()["ratelimit-reset"], "30");
}

#[tokio::test]
async fn routes_are_closed_unless_listed_by_method_and_path() {
    for (method, path, status) in [
        ("GET", "/mine", 401),
        ("GET", "/open/7", 200),
        ("HEAD", "/open/7", 200),
        ("GET", "/either", 200),
        ("POST", "/open/7", 401),
        ("GET", "/nowhere", 404),
        ("GET", "/wrong", 405),
    ] {
        let response = call(router(Arc::default()), bare(method, path)).await;
        assert_eq!(response.status(), status, "{method} {path}");
        if status == 405 {
            assert_eq!(response.headers()["allow"], "POST");
        } else if status == 401 {
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert_eq!(json(response).await["error"]["code"], "AUTHENTICATION_ERROR");
        }
    }
}

#[tokio::test]
async fn a_nameless_knock_on_a_closed_route_is_counted_by_the_gatekeeper() {
    let porter = Arc::new(Porter::default());
    call(router(Arc::clone(&porter)), bare("GET", "/mine")).await;
    let knocks = porter.knocks.lock().unwrap();
    assert!(
        matches!(&knocks[..], [Knock { presented: Presented::Nothing, route: RouteKind::Closed, address }] if address.to_string() == "10.0.0.1")
    );
}

#[tokio::test]
async fn a_gatekeeper_that_admits_nobody_to_a_closed_route_is_not_obeyed() {
    let porter = Arc::new(Porter { careless: true, ..Porter::default() });
    let app = router(porter);
    assert_eq!(call(app.clone(), bare("POST", "/wrong")).await.status(), 401);
    assert_eq!(call(app, with_key("/either", "sk_bad")).await.status(), 401);
}

#[tokio::test]
async fn where_a_credential_may_be_left_out_a_shown_one_must_be_valid() {
    for (key, status, who) in [("sk_good", 200, "Ada"), ("sk_bad", 401, "")] {
        let response = call(router(Arc::default()), with_key("/either", key)).await;
        assert_eq!(response.status(), status, "{key}");
        let body = axum::body::to_bytes(Body::new(response.into_body()), 4096).await.unwrap();
        assert!(status == 401 || body == who, "{body:?}");
    }
    let odd = Request::get("/either").header("authorization", "Basic dTpw").body(Body::empty()).unwrap();
    assert_eq!(call(router(Arc::default()), odd).await.status(), 401);
}

#[tokio::test]
async fn a_403_of_a_known_caller_is_told_to_the_gatekeeper_and_nothing_else_is() {
    let porter = Arc::new(Porter::default());
    let app = router(Arc::clone(&porter));
    let mut request = with_key("/forbidden/secret-id", "sk_good");
    request.headers_mut().insert("user-agent", "curl/8".parse().unwrap());
    assert_eq!(call(app.clone(), request).await.status(), 403);
    assert_eq!(call(app.clone(), with_key("/forbidden/frozen", "sk_good")).await.status(), 403);
    assert_eq!(call(app.clone(), bare("GET", "/forbidden/7")).await.status(), 403);
    assert_eq!(call(app, with_key("/mine", "sk_good")).await.status(), 200);
    let refusals = porter.refusals.lock().unwrap();
    let [refusal] = &refusals[..] else { panic!("{refusals:?}") };
    assert_eq!((refusal.route.as_str(), refusal.email.as_str()), ("/forbidden/{code}", "a@example.com"));
    let origin = &refusal.origin;
    assert_eq!((origin.address.as_str(), origin.user_agent.as_str()), ("10.0.0.1", "curl/8"));
    assert!(!origin.request_id.is_empty());
}

#[tokio::test]
async fn a_caller_over_the_limit_learns_when_to_come_back() {
    let response = call(router(Arc::default()), with_key("/mine", "sk_busy")).await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["ratelimit-remaining"], "0");
    assert_eq!(response.headers()["retry-after"], "30");
}
