//! Access tokens: forged ones, stale ones, and ones in the wrong place.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use hub::first_start::operator;
use hub_domain::{Origin, rbac};
use hub_testkit::{TestHub, on_both_pairs};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{me, post, refresh, told, told_with_headers};

fn part(token: &str, index: usize) -> Value {
    let text = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The token's own words under another signature.
fn signed_by_another(token: &str, algorithm: Algorithm) -> String {
    let (theirs, claims) = (part(token, 0), part(token, 1));
    let mut header = Header::new(algorithm);
    header.typ = theirs["typ"].as_str().map(str::to_owned);
    header.kid = theirs["kid"].as_str().map(str::to_owned);
    let key = EncodingKey::from_secret(b"some other secret of enough length");
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

/// Everything that could be made of a token by somebody without the key.
fn forgeries(token: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("a JWT has three parts") };
    let with = |field: &str, value: Value| {
        let mut header = part(token, 0);
        header[field] = value;
        encoded(&header)
    };
    let claiming = |field: &str, value: Value| {
        let mut claims = part(token, 1);
        claims[field] = value;
        format!("{header}.{}.{signature}", encoded(&claims))
    };
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    vec![
        ("alg none", format!("{}.{claims}.", with("alg", json!("none")))),
        ("alg None", format!("{}.{claims}.", with("alg", json!("None")))),
        ("alg nOnE, signed", format!("{}.{claims}.{signature}", with("alg", json!("nOnE")))),
        ("alg HS512", format!("{}.{claims}.{signature}", with("alg", json!("HS512")))),
        ("another type", format!("{}.{claims}.{signature}", with("typ", json!("JWT")))),
        ("another key's name", format!("{}.{claims}.{signature}", with("kid", json!("../../dev/null")))),
        ("a key in the header", format!("{}.{claims}.{signature}", with("jwk", json!({ "kty": "oct", "k": "AAAA" })))),
        ("a critical extension", format!("{}.{claims}.{signature}", with("crit", json!(["exp"])))),
        ("no signature", format!("{header}.{claims}.")),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{token}.{signature}")),
        ("five parts", format!("{header}.{claims}.{signature}.{header}.{claims}")),
        ("cut off", token[..token.len() - 1].to_owned()),
        ("a flipped bit", format!("{header}.{claims}.{flipped}{}", &signature[1..])),
        ("another account", claiming("sub", json!("018f0000-0000-7000-8000-000000000000"))),
        ("more rights", claiming("roles", json!(["admin"]))),
        ("a longer life", claiming("exp", json!(4_000_000_000_i64))),
        ("another secret", signed_by_another(token, Algorithm::HS256)),
        ("another secret and algorithm", signed_by_another(token, Algorithm::HS384)),
        ("20 kB", format!("{header}.{}.{signature}", "A".repeat(20_000))),
        ("no token", "nonsense".to_owned()),
        ("dots", "..".to_owned()),
    ]
}

on_both_pairs! {
    async fn jwt_01_a_forged_token_is_refused_everywhere_in_the_same_words(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        for path in ["/api/auth/me", "/api/credits/balance", "/api/keys", "/v1/models"] {
            let expected = told(&hub.get(path).bearer("sk_wrong").send().await.expect(401));
            hub.get(path).bearer(&ada.access_token).send().await.expect(200);
            let mut forged = forgeries(&ada.access_token);
            forged.push(("a refresh token", ada.refresh_token.clone()));
            forged.push(("a key without its beginning", ada.api_key.replace("sk_", "")));
            for (what, token) in forged {
                let refused = hub.get(path).bearer(&token).send().await;
                assert_eq!(refused.status, 401, "{what} at {path}: {}", refused.text());
                assert_eq!(refused.header("www-authenticate"), "Bearer");
                assert_eq!(told(&refused), expected, "{what} at {path}");
            }
        }
        hub.finish().await;
    }

    async fn other_schemes_and_two_credentials_are_no_credential(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let token = ada.access_token.as_str();
        for value in [
            format!("Basic {token}"),
            token.to_owned(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("Bearer {token} x"),
        ] {
            hub.get("/api/auth/me").header("authorization", &value).send().await.expect(401);
        }
        hub.get("/api/auth/me").bearer(token).bearer(&ada.api_key).send().await.expect(401);
        hub.get(&format!("/api/auth/me?access_token={token}")).send().await.expect(401);
        hub.get(&format!("/api/auth/me?token={token}"))
            .header("cookie", &format!("token={token}"))
            .send()
            .await
            .expect(401);
        hub.get("/api/auth/me").header("authorization", &format!("bearer {token}")).send().await.expect(200);
        hub.finish().await;
    }

    async fn jwt_05_a_token_says_what_the_spec_wants_and_lives_fifteen_minutes(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let claims = part(&ada.access_token, 1);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
        assert_eq!((&claims["sub"], &claims["email"]), (&json!(ada.id), &json!(ada.email)));
        assert_eq!(claims["roles"], json!(["user"]));
        assert!(claims["permissions"].as_array().unwrap().contains(&json!("inference:create")));
        for name in ["iss", "aud", "sid", "av", "jti"] {
            assert!(!claims[name].is_null(), "{name}");
        }
        hub.advance(Duration::seconds(899));
        assert_eq!(me(&hub, &ada.access_token).await, 200);
        // Two machines may disagree by five seconds, no more.
        hub.advance(Duration::seconds(6));
        for path in ["/api/auth/me", "/api/credits/balance", "/v1/models"] {
            let refused = hub.get(path).bearer(&ada.access_token).send().await.expect(401);
            assert_eq!(refused.header("www-authenticate"), "Bearer");
        }
        // The session lives on.
        let renewed = refresh(&hub, &ada.refresh_token).await.expect(200).json();
        assert_eq!(me(&hub, renewed["accessToken"].as_str().unwrap()).await, 200);
        hub.finish().await;
    }

    async fn jwt_02_each_credential_is_good_for_its_own_purpose_only(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        assert_eq!(me(&hub, &ada.refresh_token).await, 401);
        let expected = told_with_headers(&refresh(&hub, "rt_nonsense").await.expect(401));
        for token in [&ada.access_token, &ada.api_key, &ada.password, &String::new(), &"A".repeat(20_000)] {
            let refused = refresh(&hub, token).await.expect(401);
            assert_eq!(refused.header("www-authenticate"), "Bearer");
            assert_eq!(told_with_headers(&refused), expected);
        }
        post(&hub, "refresh", &json!({})).await.expect(401);
        post(&hub, "logout", &json!({ "refreshToken": ada.access_token })).await.expect(401);
        hub.post("/api/auth/refresh").bearer(&ada.refresh_token).json(&json!({})).send().await.expect(401);
        // An API key is nobody's session.
        hub.get("/api/auth/sessions").bearer(&ada.api_key).send().await.expect(403);
        hub.post("/api/auth/logout").bearer(&ada.api_key).json(&json!({ "scope": "all" })).send().await.expect(403);
        assert_eq!(me(&hub, &ada.access_token).await, 200);
        hub.finish().await;
    }

    async fn a_changed_role_voids_tokens_at_once_and_the_next_ones_name_it(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let bob = hub.user("bob").await;
        let balance_of_bob = format!("/api/credits/balance?userId={}", bob.id);
        assert_eq!((me(&hub, &ada.access_token).await, me(&twin, &ada.access_token).await), (200, 200));
        twin.get(&balance_of_bob).bearer(&ada.api_key).send().await.expect(404);

        let boss = operator().unwrap();
        assert!(rbac::assign_role(&hub.hub, &boss, &Origin::default(), ada.id, "manager").await.unwrap());
        assert_eq!((me(&hub, &ada.access_token).await, me(&twin, &ada.access_token).await), (401, 401));
        let renewed = refresh(&twin, &ada.refresh_token).await.expect(200).json();
        assert_eq!(renewed["user"]["roles"], json!(["manager", "user"]));
        let token = renewed["accessToken"].as_str().unwrap();
        for credential in [token, &ada.api_key] {
            twin.get(&balance_of_bob).bearer(credential).send().await.expect(200);
        }

        // Rights shrink as fast, and a key's with its owner's.
        assert!(rbac::remove_role(&hub.hub, &boss, &Origin::default(), ada.id, "manager").await.unwrap());
        assert_eq!(me(&twin, token).await, 401);
        twin.get(&balance_of_bob).bearer(&ada.api_key).send().await.expect(404);
        assert_eq!(me(&twin, &ada.api_key).await, 200);
        twin.finish().await;
        hub.finish().await;
    }

    async fn a_token_of_a_session_or_account_that_never_was_is_refused(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        // Signed by the hub's own key, as after the loss of a database.
        let elsewhere = TestHub::start(pair).await;
        let eve = elsewhere.user("eve").await;
        assert_eq!(me(&hub, &eve.access_token).await, 401);
        assert_eq!(me(&hub, &eve.api_key).await, 401);
        refresh(&hub, &eve.refresh_token).await.expect(401);
        assert_eq!((me(&hub, &ada.access_token).await, me(&hub, &bob.access_token).await), (200, 200));
        elsewhere.finish().await;
        hub.finish().await;
    }
}
