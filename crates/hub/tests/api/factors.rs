//! The second factor, and how guessing is slowed down.

use aws_lc_rs::hmac;
use chrono::Duration;
use data_encoding::BASE32_NOPAD;
use futures::future::join_all;
use hub_store::totp;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};

/// What an authenticator app shows, `steps` of 30 seconds from now. Written apart from the hub's own arithmetic.
fn app_shows(hub: &TestHub, secret: &str, steps: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &BASE32_NOPAD.decode(secret.as_bytes()).unwrap());
    let step = u64::try_from(hub.clock().now().timestamp() / 30 + steps).unwrap();
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 15);
    let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// A code that is not right now.
fn wrong_code(hub: &TestHub, secret: &str) -> String {
    let right = [-1, 0, 1].map(|steps| app_shows(hub, secret, steps));
    ["000000", "111111", "222222", "333333"]
        .into_iter()
        .find(|code| !right.iter().any(|r| r == code))
        .unwrap()
        .to_owned()
}

async fn login(hub: &TestHub, user: &TestUser, code: Option<&str>) -> TestResponse {
    let mut body = json!({ "email": user.email, "password": user.password });
    if let Some(code) = code {
        body["totp"] = json!(code);
    }
    hub.post("/api/auth/login").json(&body).send().await
}

/// Sets a second factor up and gives its secret and recovery codes. The step of this moment is used up.
pub(crate) async fn set_up(hub: &TestHub, user: &TestUser) -> (String, Vec<String>) {
    let start = json!({ "password": user.password });
    let begun = hub.post("/api/auth/totp").bearer(&user.access_token).json(&start).send().await.expect(200).json();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    let code = json!({ "code": app_shows(hub, &secret, 0) });
    let done =
        hub.post("/api/auth/totp/confirm").bearer(&user.access_token).json(&code).send().await.expect(200).json();
    let codes =
        done["recoveryCodes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    (secret, codes)
}

fn wants_second_factor(answer: &TestResponse) -> bool {
    answer.status == 401 && answer.json()["error"]["details"] == json!({ "totpRequired": true })
}

on_both_pairs! {
    async fn sign_in_asks_for_the_code_once_it_was_confirmed(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let totp = |token: &str, body: Value| hub.post("/api/auth/totp").bearer(token).json(&body).send();
        totp(&ada.access_token, json!({})).await.expect(400);
        totp(&ada.access_token, json!({ "password": "wrong" })).await.expect(400);
        totp(&ada.api_key, json!({ "password": ada.password })).await.expect(403);
        let begun = totp(&ada.access_token, json!({ "password": ada.password })).await.expect(200).json();
        let secret = begun["secret"].as_str().unwrap();
        assert!(begun["otpauthUrl"].as_str().unwrap().contains(&format!("secret={secret}&issuer=")), "{begun}");
        login(&hub, &ada, None).await.expect(200);
        let confirm = |code: String| {
            hub.post("/api/auth/totp/confirm").bearer(&ada.access_token).json(&json!({ "code": code })).send()
        };
        confirm(wrong_code(&hub, secret)).await.expect(400);
        let done = confirm(app_shows(&hub, secret, 0)).await.expect(200).json();
        assert_eq!(done["recoveryCodes"].as_array().unwrap().len(), 10);
        confirm(app_shows(&hub, secret, 1)).await.expect(409);
        totp(&ada.access_token, json!({ "password": ada.password })).await.expect(409);

        assert!(wants_second_factor(&login(&hub, &ada, None).await));
        assert!(wants_second_factor(&login(&hub, &ada, Some(&wrong_code(&hub, secret))).await));
        let stranger = json!({ "email": ada.email, "password": "wrong", "totp": app_shows(&hub, secret, 1) });
        let refused = hub.post("/api/auth/login").json(&stranger).send().await.expect(401).json();
        assert_eq!(refused["error"]["details"], Value::Null, "only after the right password");
        let spaced = app_shows(&hub, secret, 1);
        login(&hub, &ada, Some(&format!("{} {}", &spaced[..3], &spaced[3..]))).await.expect(200);
        let status = hub.get("/api/auth/totp").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!(status, json!({ "enabled": true, "recoveryCodesLeft": 10 }));
        assert!(hub.mails().await.last().unwrap().subject.contains("second factor"));
        hub.finish().await;
    }

    async fn a_code_works_once_and_none_older_after_it(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let (secret, _) = set_up(&hub, &ada).await;
        assert!(wants_second_factor(&login(&hub, &ada, Some(&app_shows(&hub, &secret, 0))).await), "it confirmed the factor");
        hub.advance(Duration::minutes(5));
        let codes = [-2, -1, 0, 1, 2].map(|steps| app_shows(&hub, &secret, steps));
        assert!(wants_second_factor(&login(&hub, &ada, Some(&codes[0])).await));
        assert!(wants_second_factor(&login(&hub, &ada, Some(&codes[4])).await));
        login(&hub, &ada, Some(&codes[2])).await.expect(200);
        for used in [&codes[2], &codes[1]] {
            assert!(wants_second_factor(&login(&hub, &ada, Some(used)).await));
        }
        login(&hub, &ada, Some(&codes[3])).await.expect(200);
        hub.finish().await;
    }

    async fn of_twenty_sign_ins_with_one_code_one_gets_in(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        let ada = hub.user("ada").await;
        let (secret, recovery) = set_up(&hub, &ada).await;
        hub.advance(Duration::minutes(1));
        for code in [&app_shows(&hub, &secret, 0), &recovery[0]] {
            let place = |n: usize| if n.is_multiple_of(2) { &hub } else { &sibling };
            let answers = join_all((0..20).map(|n| login(place(n), &ada, Some(code)))).await;
            assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
            assert!(answers.iter().all(|answer| [200, 401, 429].contains(&answer.status.as_u16())));
            // What the losers did counts as guessing.
            hub.advance(Duration::days(2));
        }
        sibling.finish().await;
        hub.finish().await;
    }

    async fn recovery_codes_stand_in_for_the_app_once_each(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, eve) = (hub.user("ada").await, hub.user("eve").await);
        let (_, codes) = set_up(&hub, &ada).await;
        let (_, hers) = set_up(&hub, &eve).await;
        login(&hub, &ada, Some(&codes[0].to_uppercase().replace('-', " "))).await.expect(200);
        assert!(wants_second_factor(&login(&hub, &ada, Some(&codes[0])).await));
        assert!(wants_second_factor(&login(&hub, &ada, Some(&hers[1])).await));
        let mails = hub.mails().await;
        assert!(mails.iter().any(|mail| mail.text.contains("9 are left")), "{mails:?}");
        hub.finish().await;
    }

    async fn pwd_06_the_factor_survives_a_reset_and_goes_only_with_both_factors(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut ada = hub.user("ada").await;
        let (secret, codes) = set_up(&hub, &ada).await;
        hub.post("/api/auth/forgot-password").json(&json!({ "email": ada.email })).send().await.expect(202);
        let mails = hub.mails().await;
        let link = mails.iter().find_map(|mail| mail.text.split_once("token=")).expect("a link").1;
        let token = link.lines().next().unwrap().to_owned();
        ada.password = "nine brown hares run over the field".to_owned();
        let reset = json!({ "token": token, "password": ada.password });
        hub.post("/api/auth/reset-password").json(&reset).send().await.expect(204);
        assert!(wants_second_factor(&login(&hub, &ada, None).await));
        let tokens = login(&hub, &ada, Some(&app_shows(&hub, &secret, 1))).await.expect(200).json();
        let token = tokens["accessToken"].as_str().unwrap();

        let prove = |body: Value| hub.post("/api/auth/reauthenticate").bearer(token).json(&body).send();
        let missing = prove(json!({ "password": ada.password })).await.expect(403);
        assert_eq!(missing.json()["error"]["details"], json!({ "totpRequired": true }));
        prove(json!({ "password": ada.password, "totp": app_shows(&hub, &secret, 1) })).await.expect(403);
        prove(json!({ "password": ada.password, "totp": codes[0] })).await.expect(200);

        let remove = |body: Value| hub.delete("/api/auth/totp").bearer(token).json(&body).send();
        remove(json!({ "password": "wrong", "code": codes[1] })).await.expect(400);
        remove(json!({ "password": ada.password, "code": "000-no-code" })).await.expect(400);
        remove(json!({ "password": ada.password, "code": codes[1] })).await.expect(204);
        remove(json!({ "password": ada.password, "code": codes[2] })).await.expect(404);
        login(&hub, &ada, None).await.expect(200);
        assert!(hub.mails().await.iter().any(|mail| mail.subject.contains("was removed")));
        hub.finish().await;
    }

    async fn the_secret_is_sealed_at_rest(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let (secret, _) = set_up(&hub, &ada).await;
        let bytes = BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
        let mut tx = hub.hub.store.read().await.unwrap();
        let sealed = totp::of(&mut tx, ada.id).await.unwrap().unwrap().secret_sealed;
        drop(tx);
        assert!(!sealed.windows(bytes.len()).any(|part| part == bytes) && !sealed.windows(8).any(|part| part == &secret.as_bytes()[..8]));
        hub.finish().await;
    }

    async fn ten_wrong_codes_close_sign_in_for_a_while_and_longer_each_time(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let (secret, recovery) = set_up(&hub, &ada).await;
        let wrong = wrong_code(&hub, &secret);
        let mut waits = Vec::new();
        for _ in 0..2 {
            for _ in 0..9 {
                assert!(wants_second_factor(&login(&hub, &ada, Some("abcd")).await));
            }
            let closed = login(&hub, &ada, Some(&wrong)).await.expect(429);
            let refused = login(&hub, &ada, Some(&recovery[0])).await.expect(429);
            let plain = |answer: &TestResponse| (answer.json()["error"]["code"].clone(), answer.json()["error"]["message"].clone());
            assert_eq!(plain(&closed), plain(&refused));
            hub.get("/api/auth/totp").bearer(&ada.api_key).send().await.expect(403);
            let wait: i64 = refused.header("retry-after").parse().unwrap();
            waits.push(wait);
            hub.advance(Duration::seconds(wait));
        }
        assert!(waits[0] <= 900 && waits[1] > 900, "{waits:?}");
        login(&hub, &ada, Some(&recovery[0])).await.expect(200);
        let warned = hub.mails().await.into_iter().filter(|mail| mail.subject.contains("Somebody tries")).count();
        assert!((1..=2).contains(&warned));
        hub.finish().await;
    }

    async fn ten_wrong_passwords_close_the_pair_and_touch_no_live_session(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        let ada = hub.user("ada").await;
        let mut wrong = ada.clone();
        wrong.password = "wrong".to_owned();
        for n in 0..9 {
            login(if n % 2 == 0 { &hub } else { &sibling }, &wrong, None).await.expect(401);
        }
        login(&hub, &wrong, None).await.expect(429);
        let refused = login(&sibling, &ada, None).await.expect(429);
        hub.get("/api/auth/me").bearer(&ada.access_token).send().await.expect(200);
        hub.post("/api/auth/refresh").json(&json!({ "refreshToken": ada.refresh_token })).send().await.expect(200);
        let elsewhere = json!({ "email": ada.email, "password": ada.password });
        hub.post("/api/auth/login").from("198.51.100.7").json(&elsewhere).send().await.expect(200);
        hub.advance(Duration::seconds(refused.header("retry-after").parse().unwrap()));
        login(&hub, &ada, None).await.expect(200);
        sibling.finish().await;
        hub.finish().await;
    }

    async fn many_different_wrong_pairs_from_one_network_close_it(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let attempt = |from: &str, email: &str, password: &str| {
            hub.post("/api/auth/login").from(from).json(&json!({ "email": email, "password": password })).send()
        };
        // The same pair again and again is somebody's forgotten program, not a list of stolen passwords.
        for _ in 0..8 {
            attempt("198.51.100.7", "somebody@example.com", "their old one").await.expect(401);
        }
        for n in 0..28 {
            attempt("198.51.100.7", &format!("user{n}@example.com"), "stolen").await.expect(401);
        }
        let closed = attempt("198.51.100.7", "user28@example.com", "stolen").await.expect(429);
        assert!(closed.header("retry-after").parse::<u64>().unwrap() > 3000);
        attempt("198.51.100.7", ada.email.as_str(), &ada.password).await.expect(429);
        attempt("203.0.113.9", ada.email.as_str(), &ada.password).await.expect(200);
        hub.finish().await;
    }
}
