//! Sign-in of a program without a browser. OSV-01.

use chrono::Duration;
use hub_testkit::{TestHub, TestResponse, on_both_pairs};
use serde_json::{Value, json};

use super::idp::Idp;
use super::kit::{Browser, person, start, trail};
use crate::factors::set_up;

async fn begin(hub: &TestHub) -> Value {
    let body = json!({ "provider": "google", "metadata": { "originalRequest": "make a video" } });
    hub.post("/api/auth/oauth/session").header("user-agent", "tv <b>").json(&body).send().await.expect(201).json()
}

/// Path and query of the address the person opens.
fn sign_in_path(session: &Value) -> String {
    session["signInUrl"].as_str().unwrap().replace("http://127.0.0.1:3000", "")
}

/// The person signs in: the page with the code.
async fn person_signs_in(hub: &TestHub, idp: &Idp, session: &Value, who: &Value) -> TestResponse {
    let browser = Browser::default();
    let there = browser.get(hub, &sign_in_path(session)).await.expect(302);
    let back = idp.approve(there.header("location"), who);
    browser.get(hub, &back).await
}

fn code_on(page: &TestResponse) -> String {
    let text = page.text();
    text.split("<code>").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

async fn verify(hub: &TestHub, session: &Value, code: &str) -> TestResponse {
    let body = json!({ "sessionId": session["sessionId"], "verificationCode": code });
    hub.post("/api/auth/oauth/session/verify").json(&body).send().await
}

async fn confirm(hub: &TestHub, session: &Value) -> TestResponse {
    let body = json!({ "sessionId": session["sessionId"], "parameters": {} });
    hub.post("/api/auth/oauth/session/confirm").json(&body).send().await
}

on_both_pairs! {
    async fn osv_01_a_program_is_signed_in_by_its_persons_code(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let session = begin(&hub).await;
        let secret = session["sessionId"].as_str().unwrap();
        assert!(secret.len() == 43 && !session["signInUrl"].as_str().unwrap().contains(secret));
        let ada = person("g-1", "ada@example.com");
        // Asking early costs nothing.
        verify(&hub, &session, "ABCD-EFGH").await.expect(400);
        confirm(&hub, &session).await.expect(400);
        let page = person_signs_in(&hub, &idp, &session, &ada).await.expect(200);
        let code = code_on(&page);
        assert!(page.text().contains("tv &lt;b&gt;") && page.text().contains("127.0.0.1") && !page.text().contains(secret));
        let mails = hub.mails().await;
        let mail = mails.last().unwrap();
        assert!(mail.to.as_str() == "ada@example.com" && mail.text.contains(&code) && !mail.subject.contains(&code));
        confirm(&hub, &session).await.expect(400);
        let typed = code.replace('-', " ").to_lowercase();
        assert_eq!(verify(&hub, &session, &typed).await.expect(200).json(), json!({ "verified": true }));
        let all = futures::future::join_all((0..20).map(|_| confirm(&hub, &session))).await;
        let good: Vec<_> = all.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!((good.len(), all.iter().filter(|answer| answer.status == 400).count()), (1, 19));
        let tokens = good[0].json();
        assert_eq!((&tokens["originalRequest"], &tokens["tokenType"]), (&json!("make a video"), &json!("Bearer")));
        let token = tokens["accessToken"].as_str().unwrap();
        hub.get("/api/auth/me").bearer(token).send().await.expect(200);
        verify(&hub, &session, &code).await.expect(400);
        confirm(&hub, &session).await.expect(400);
        assert!(trail(&hub).await.contains(&"oauth.signed_in".to_owned()));
        hub.finish().await;
    }

    async fn osv_01_five_wrong_codes_are_all_there_is(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let session = begin(&hub).await;
        let code = code_on(&person_signs_in(&hub, &idp, &session, &person("g-1", "ada@example.com")).await);
        let wrong = if code == "AAAA-AAAA" { "BBBB-BBBB" } else { "AAAA-AAAA" };
        for _ in 0..5 {
            verify(&hub, &session, wrong).await.expect(400);
        }
        verify(&hub, &session, &code).await.expect(400);
        confirm(&hub, &session).await.expect(400);
        // Sent at once, no more than five are looked at: the right one behind twenty wrong ones is too late.
        let session = begin(&hub).await;
        let code = code_on(&person_signs_in(&hub, &idp, &session, &person("g-1", "ada@example.com")).await);
        futures::future::join_all((0..20).map(|_| verify(&hub, &session, wrong))).await;
        verify(&hub, &session, &code).await.expect(400);
        hub.finish().await;
    }

    async fn osv_01_a_session_ends_after_ten_minutes_whatever_happens(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let ada = person("g-1", "ada@example.com");
        let waiting = begin(&hub).await;
        let (late, slow) = (begin(&hub).await, begin(&hub).await);
        hub.advance(Duration::minutes(9));
        let code = code_on(&person_signs_in(&hub, &idp, &late, &ada).await);
        let other = code_on(&person_signs_in(&hub, &idp, &slow, &ada).await);
        verify(&hub, &slow, &other).await.expect(200);
        hub.advance(Duration::seconds(61));
        verify(&hub, &late, &code).await.expect(400);
        confirm(&hub, &slow).await.expect(400);
        hub.get(&sign_in_path(&waiting)).send().await.expect(400);
        hub.finish().await;
    }

    async fn one_person_signs_in_per_session(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let session = begin(&hub).await;
        let (ada, eve) = (person("g-1", "ada@example.com"), person("g-2", "eve@example.com"));
        // Both are at the provider when the first comes back.
        let (one, two) = (Browser::default(), Browser::default());
        let first = one.get(&hub, &sign_in_path(&session)).await.expect(302);
        let second = two.get(&hub, &sign_in_path(&session)).await.expect(302);
        let page = one.get(&hub, &idp.approve(first.header("location"), &ada)).await.expect(200);
        two.get(&hub, &idp.approve(second.header("location"), &eve)).await.expect(400);
        two.get(&hub, &sign_in_path(&session)).await.expect(400);
        verify(&hub, &session, &code_on(&page)).await.expect(200);
        assert_eq!(confirm(&hub, &session).await.expect(200).json()["user"]["email"], "ada@example.com");
        hub.finish().await;
    }

    async fn a_session_belongs_to_its_provider_and_says_nothing_to_strangers(pair: Pair) {
        let (hub, _idp) = start(pair).await;
        let session = begin(&hub).await;
        hub.get(&sign_in_path(&session).replace("/google?", "/sora2?")).send().await.expect(400);
        hub.get("/api/auth/oauth/google?session=abc").send().await.expect(400);
        let path = "/api/auth/oauth/session";
        hub.post(path).json(&json!({ "provider": "nobody" })).send().await.expect(400);
        let long = json!({ "provider": "google", "metadata": { "originalRequest": "x".repeat(2001) } });
        hub.post(path).json(&long).send().await.expect(400);
        let unknown = json!({ "sessionId": "x", "verificationCode": "ABCD-EFGH" });
        let stranger = hub.post(&format!("{path}/verify")).json(&unknown).send().await.expect(400);
        let early = verify(&hub, &session, "ABCD-EFGH").await.expect(400);
        assert_eq!(stranger.json()["error"]["message"], early.json()["error"]["message"]);
        hub.finish().await;
    }

    async fn a_program_needs_its_persons_second_factor_as_well(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let ada = hub.user("ada").await;
        let (_, codes) = set_up(&hub, &ada).await;
        let session = begin(&hub).await;
        let page = person_signs_in(&hub, &idp, &session, &person("g-1", "ada@example.com")).await;
        verify(&hub, &session, &code_on(&page)).await.expect(200);
        assert_eq!(confirm(&hub, &session).await.expect(401).json()["error"]["details"]["totpRequired"], true);
        let body = json!({ "sessionId": session["sessionId"], "parameters": { "totp": codes[0] } });
        hub.post("/api/auth/oauth/session/confirm").json(&body).send().await.expect(200);
        hub.finish().await;
    }
}
