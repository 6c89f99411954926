//! A sign-in provider on a port of the system's choice. It checks what a real one checks, counts what it was asked, and misbehaves when
//! told to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hub_types::{Clock, random_bytes};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

pub(crate) const CLIENT_ID: &str = "hub client";
/// With characters that must be encoded before they stand in a header (RFC 6749 §2.3.1).
pub(crate) const CLIENT_SECRET: &str = "s3cret: &/";

/// How it misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Trouble {
    #[default]
    None,
    TokenHangs,
    TokenRedirects,
    TokenIsHuge,
    TokenIsGzip,
    TokenIsNoJson,
    TokenFails,
    TokenRefusesUs,
    KeysRedirect,
    KeysAreTooMany,
    DiscoveryHangs,
    DiscoveryIsAnothers,
    UserinfoIsAnothers,
}

/// How its ID token is forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Forgery {
    #[default]
    None,
    AlgNone,
    HmacWithPublicKey,
    WrongKey,
    UnknownKey,
    NoSignature,
    Critical,
}

/// Which key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Signer {
    #[default]
    Rsa,
    Ec,
}

#[derive(Clone)]
struct Grant {
    nonce: String,
    challenge: String,
    redirect_uri: String,
    person: Value,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) trouble: Trouble,
    pub(crate) forgery: Forgery,
    pub(crate) signer: Signer,
    /// Claims put over those of the ID token; `null` takes one away.
    pub(crate) claims: Map<String, Value>,
    /// True where it takes a code any number of times, so that only the hub stands against it.
    pub(crate) careless: bool,
    /// True where identities are told at the userinfo endpoint only.
    pub(crate) thin_tokens: bool,
    pub(crate) key_id: String,
    pub(crate) keys_asked: usize,
    pub(crate) trapped: usize,
    /// Every code, access token and ID token it gave away.
    pub(crate) secrets: Vec<String>,
    grants: HashMap<String, Grant>,
    tokens: HashMap<String, Value>,
    clock: Option<Clock>,
}

struct Shared {
    url: String,
    inner: Mutex<Inner>,
}

/// The provider. It stops when dropped.
pub(crate) struct Idp {
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

impl Idp {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Inner { key_id: "k1".to_owned(), ..Inner::default() };
        let shared = Arc::new(Shared { url, inner: Mutex::new(inner) });
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/token", post(token))
            .route("/keys", get(keys))
            .route("/userinfo", get(userinfo))
            .fallback(trap)
            .with_state(Arc::clone(&shared));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { shared, _serving: serving }
    }

    pub(crate) fn url(&self) -> &str {
        &self.shared.url
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap()
    }

    /// Signs tokens by this clock.
    pub(crate) fn follow(&self, clock: &Clock) {
        self.inner().clock = Some(clock.clone());
    }

    /// What the person's consent at the sign-in address leads back to: path and query of the callback.
    pub(crate) fn approve(&self, sign_in: &str, person: &Value) -> String {
        let (redirect, state, query) = asked(sign_in);
        assert_eq!(query["client_id"], CLIENT_ID);
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["code_challenge_method"], "S256");
        let code = secret();
        let grant = Grant {
            nonce: query["nonce"].clone(),
            challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
            person: person.clone(),
        };
        let mut inner = self.inner();
        inner.secrets.push(code.clone());
        inner.grants.insert(code.clone(), grant);
        let mut back = url::form_urlencoded::Serializer::new(String::new());
        back.append_pair("code", &code).append_pair("state", &state).append_pair("iss", &self.shared.url);
        format!("{redirect}?{}", back.finish())
    }
}

/// The callback's path, the state and all parameters of a sign-in address.
pub(crate) fn asked(sign_in: &str) -> (String, String, HashMap<String, String>) {
    let url: Url = sign_in.parse().unwrap();
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    let redirect: Url = query["redirect_uri"].parse().unwrap();
    (redirect.path().to_owned(), query["state"].clone(), query)
}

fn secret() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<24>())
}

fn rsa() -> &'static RsaKeyPair {
    static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

fn strangers_rsa() -> &'static RsaKeyPair {
    static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

fn ec() -> &'static EcdsaKeyPair {
    static KEY: OnceLock<EcdsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
}

/// The modulus of a 2048 bit key in PKCS #1: after two headers of four bytes and a zero.
fn modulus(key: &RsaKeyPair) -> Vec<u8> {
    key.public_key().as_ref()[9..9 + 256].to_vec()
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Response {
    let trouble = shared.inner.lock().unwrap().trouble;
    if trouble == Trouble::DiscoveryHangs {
        std::future::pending::<()>().await;
    }
    let url = &shared.url;
    let issuer = if trouble == Trouble::DiscoveryIsAnothers { "https://evil.example" } else { url };
    answer(&json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "userinfo_endpoint": format!("{url}/userinfo"),
        "jwks_uri": format!("{url}/keys"),
    }))
}

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let trouble = shared.inner.lock().unwrap().trouble;
    match trouble {
        Trouble::TokenHangs => std::future::pending().await,
        Trouble::TokenRedirects => return redirect(&format!("{}/trap", shared.url)),
        Trouble::TokenIsHuge => return Body::from(vec![b' '; 10 * 1024 * 1024]).into_response(),
        Trouble::TokenIsGzip => {
            return ([("content-encoding", "gzip")], vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]).into_response();
        }
        Trouble::TokenIsNoJson => return "access_token=x".into_response(),
        Trouble::TokenFails => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Trouble::TokenRefusesUs => {
            return (StatusCode::UNAUTHORIZED, json!({ "error": "invalid_client" }).to_string()).into_response();
        }
        _ => {}
    }
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    assert!(knows_secret(&headers), "the client does not show its secret");
    let mut inner = shared.inner.lock().unwrap();
    let grant = form.get("code").and_then(|code| inner.grants.get(code).cloned());
    let Some(grant) = grant else { return refused() };
    if !inner.careless {
        inner.grants.remove(&form["code"]);
    }
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    assert_eq!(challenge, grant.challenge, "PKCE");
    assert_eq!(form["redirect_uri"], grant.redirect_uri);
    assert_eq!(form["grant_type"], "authorization_code");
    let access_token = secret();
    inner.tokens.insert(access_token.clone(), grant.person.clone());
    let id_token = id_token(&inner, &shared.url, &grant);
    inner.secrets.extend([access_token.clone(), id_token.clone()]);
    answer(&json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": 3599, "id_token": id_token }))
}

fn knows_secret(headers: &HeaderMap) -> bool {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let expected = STANDARD.encode(format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET)));
    headers.get("authorization").is_some_and(|value| value.as_bytes() == format!("Basic {expected}").as_bytes())
}

fn refused() -> Response {
    (StatusCode::BAD_REQUEST, json!({ "error": "invalid_grant" }).to_string()).into_response()
}

fn id_token(inner: &Inner, issuer: &str, grant: &Grant) -> String {
    let now = inner.clock.as_ref().map_or(0, |clock| clock.now().timestamp());
    let mut claims = json!({ "iss": issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": grant.nonce });
    let Value::Object(fields) = &mut claims else { unreachable!() };
    if inner.thin_tokens {
        fields.insert("sub".to_owned(), grant.person["sub"].clone());
    } else {
        fields.extend(grant.person.as_object().unwrap().clone());
    }
    for (name, value) in &inner.claims {
        if value.is_null() {
            fields.remove(name)
        } else {
            fields.insert(name.clone(), value.clone())
        };
    }
    let alg = match (inner.forgery, inner.signer) {
        (Forgery::AlgNone, _) => "none",
        (Forgery::HmacWithPublicKey, _) => "HS256",
        (_, Signer::Rsa) => "RS256",
        (_, Signer::Ec) => "ES256",
    };
    let kid = match (inner.forgery, inner.signer) {
        (Forgery::UnknownKey, _) => "nobody's",
        (_, Signer::Ec) => "ec",
        _ => &inner.key_id,
    };
    let mut header = json!({ "alg": alg, "typ": "JWT", "kid": kid });
    if inner.forgery == Forgery::Critical {
        header["crit"] = json!(["exp"]);
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(&claims));
    let signature = match (inner.forgery, inner.signer) {
        (Forgery::AlgNone | Forgery::NoSignature, _) => Vec::new(),
        (Forgery::HmacWithPublicKey, _) => {
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &modulus(rsa()));
            aws_lc_rs::hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
        }
        (Forgery::WrongKey, _) => sign(strangers_rsa(), &message),
        (_, Signer::Rsa) => sign(rsa(), &message),
        (_, Signer::Ec) => ec().sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec(),
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn sign(key: &RsaKeyPair, message: &str) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    signature
}

async fn keys(State(shared): State<Arc<Shared>>) -> Response {
    let (trouble, kid) = {
        let mut inner = shared.inner.lock().unwrap();
        inner.keys_asked += 1;
        (inner.trouble, inner.key_id.clone())
    };
    if trouble == Trouble::KeysRedirect {
        return redirect(&format!("{}/trap", shared.url));
    }
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let rsa = |kid: &str| json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": text(&modulus(rsa())), "e": "AQAB" });
    if trouble == Trouble::KeysAreTooMany {
        let many: Vec<Value> = (0..10_000).map(|n| json!({ "kty": "oct", "kid": n.to_string() })).collect();
        return answer(&json!({ "keys": many }));
    }
    let point = ec().public_key().as_ref();
    let ec = json!({ "kty": "EC", "crv": "P-256", "kid": "ec", "x": text(&point[1..33]), "y": text(&point[33..65]) });
    answer(&json!({ "keys": [{ "kty": "oct", "k": "AAAA", "kid": "symmetric" }, rsa(&kid), ec] }))
}

async fn userinfo(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let inner = shared.inner.lock().unwrap();
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let person = inner.tokens.get(bearer.strip_prefix("Bearer ").unwrap_or_default());
    let Some(person) = person else { return StatusCode::UNAUTHORIZED.into_response() };
    if inner.trouble == Trouble::UserinfoIsAnothers {
        return answer(&json!({ "sub": "somebody else", "email": "victim@example.com", "email_verified": true }));
    }
    answer(person)
}

/// Nobody should ever come here.
async fn trap(State(shared): State<Arc<Shared>>, OriginalUri(_): OriginalUri) -> StatusCode {
    shared.inner.lock().unwrap().trapped += 1;
    StatusCode::OK
}

fn redirect(to: &str) -> Response {
    (StatusCode::FOUND, [("location", to)]).into_response()
}

fn answer(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}
