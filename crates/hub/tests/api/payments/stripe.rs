//! Stripe on a port of the system's choice. It checks what the real one checks, and fails when told to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::form_urlencoded;

pub(crate) const KEY: &str = "sk_test_4eC39HqLyjWDarjtT1zdp7dc";

#[derive(Default)]
pub(crate) struct Inner {
    /// Answered instead of a session.
    pub(crate) trouble: Option<(u16, Value)>,
    /// The forms of all sessions that were made, in order.
    pub(crate) sessions: Vec<BTreeMap<String, String>>,
    /// What `GET /v1/events` lists, newest first.
    pub(crate) events: Vec<Value>,
    /// What was wrong with a request.
    pub(crate) complaints: Vec<String>,
    by_key: HashMap<String, Value>,
}

/// The service. It stops when dropped.
pub(crate) struct Stripe {
    url: String,
    inner: Arc<Mutex<Inner>>,
    _serving: JoinSet<()>,
}

impl Stripe {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner::default()));
        let app = Router::new()
            .route("/v1/checkout/sessions", post(open))
            .route("/v1/events", get(events))
            .with_state(Arc::clone(&inner));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner, _serving: serving }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

type Shared = Arc<Mutex<Inner>>;

/// What every request must carry.
fn known(headers: &HeaderMap) -> Result<(), String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    for (name, expected) in
        [("authorization", format!("Bearer {KEY}")), ("stripe-version", "2026-10-28.endive".to_owned())]
    {
        if text(name) != expected {
            return Err(format!("{name} is {:?}", text(name)));
        }
    }
    Ok(())
}

async fn open(State(inner): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let mut inner = inner.lock().unwrap();
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    let form: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    if let Err(complaint) = known(&headers) {
        inner.complaints.push(complaint);
    }
    if key.is_empty() || headers.get("content-type").is_none_or(|kind| kind != "application/x-www-form-urlencoded") {
        inner.complaints.push(format!("key {key:?}, {headers:?}"));
    }
    if let Some((status, body)) = &inner.trouble {
        return (StatusCode::from_u16(*status).unwrap(), axum::Json(body.clone())).into_response();
    }
    if let Some(known) = inner.by_key.get(&key) {
        return axum::Json(known.clone()).into_response();
    }
    let number = inner.sessions.len() + 1;
    let session = json!({
        "id": format!("cs_test_{number}"),
        "object": "checkout.session",
        "url": format!("https://checkout.stripe.com/c/pay/cs_test_{number}"),
        "status": "open",
        "payment_status": "unpaid",
        "amount_total": form["line_items[0][price_data][unit_amount]"].parse::<i64>().unwrap(),
        "currency": form["line_items[0][price_data][currency]"],
        "payment_intent": null,
        "client_reference_id": form["client_reference_id"],
        "metadata": { "order_id": form["metadata[order_id]"] },
        "livemode": false,
    });
    inner.sessions.push(form);
    inner.by_key.insert(key, session.clone());
    axum::Json(session).into_response()
}

/// Two events per page, so that pages are walked.
async fn events(State(inner): State<Shared>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let mut inner = inner.lock().unwrap();
    if let Err(complaint) = known(&headers) {
        inner.complaints.push(complaint);
    }
    let query: BTreeMap<String, String> =
        form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    let since: i64 = query["created[gte]"].parse().unwrap();
    let fresh: Vec<&Value> = inner.events.iter().filter(|event| event["created"].as_i64().unwrap() >= since).collect();
    let start =
        query.get("starting_after").map_or(0, |id| fresh.iter().position(|event| event["id"] == **id).unwrap() + 1);
    let page: Vec<&Value> = fresh.iter().skip(start).take(2).copied().collect();
    let more = fresh.len() > start + page.len();
    axum::Json(json!({ "object": "list", "data": page, "has_more": more })).into_response()
}
