//! Whose account an identity opens, and who may tie and untie one.

use hub_domain::credits;
use hub_domain::identity::Password;
use hub_domain::keys::{self, NewKey};
use hub_store::users::NewUser;
use hub_store::verifications::Purpose;
use hub_store::{roles, users, verifications};
use hub_testkit::{TestHub, on_both_pairs};
use hub_types::UserId;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::idp::Idp;
use super::kit::{Browser, hub_with, people, person, start, trail};

const PASSWORD: &str = "seven grey herons stand in the reeds";

/// Ties the provider to somebody who is signed in: the answer of the callback.
async fn link(hub: &TestHub, idp: &Idp, token: &str, provider: &str, person: &Value) -> hub_testkit::TestResponse {
    let browser = Browser::default();
    let path = format!("/api/auth/oauth/{provider}/link");
    let begun = browser.post(hub, &path, Some(token), &json!({ "returnTo": "/settings" })).await.expect(200).json();
    let back = idp.approve(begun["url"].as_str().unwrap(), person);
    browser.get(hub, &back).await
}

/// The secret of the link in the newest mail to somebody.
async fn mailed_token(hub: &TestHub, to: &str) -> String {
    let mails = hub.mails().await;
    let mail = mails.iter().rev().find(|mail| mail.to.as_str() == to).expect("a mail");
    mail.text.split("token=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

on_both_pairs! {
    async fn two_proven_sides_are_tied_and_the_owner_is_told(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let ada = hub.user("ada").await;
        let tokens = Browser::default().sign_in(&hub, &idp, "google", &person("g-1", "ada@example.com")).await;
        assert_eq!(tokens["user"]["id"], json!(ada.id));
        let mails = hub.mails().await;
        assert!(mails.iter().any(|mail| mail.to == ada.email && mail.subject.contains("new way to sign in")));
        assert!(trail(&hub).await.contains(&"oauth.linked".to_owned()));
        // The password still works, and so do the sessions of before.
        hub.post("/api/auth/login").json(&json!({ "email": ada.email, "password": ada.password })).send().await.expect(200);
        hub.get("/api/auth/me").bearer(&ada.access_token).send().await.expect(200);
        hub.finish().await;
    }

    async fn a_registration_that_waits_is_dropped_when_the_true_owner_comes(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        hub.post("/api/auth/register").json(&body).send().await.expect(202);
        let planted = mailed_token(&hub, "ada@example.com").await;
        Browser::default().sign_in(&hub, &idp, "google", &person("g-1", "ada@example.com")).await;
        let mut tx = hub.hub.store.read().await.unwrap();
        let hash = Sha256::digest(planted.as_bytes());
        let waits = verifications::peek(&mut tx, Purpose::Register, &hash, hub.clock().now()).await.unwrap();
        assert!(waits.is_none());
        drop(tx);
        hub.post("/api/auth/verify-email").json(&json!({ "token": planted })).send().await.expect(400);
        hub.post("/api/auth/login").json(&body).send().await.expect(401);
        hub.finish().await;
    }

    async fn an_account_whose_address_was_never_proven_is_emptied_first(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let key = unproven(&hub, "ada@example.com").await;
        hub.get("/api/credits/balance").bearer(&key).send().await.expect(200);
        let tokens = Browser::default().sign_in(&hub, &idp, "google", &person("g-1", "ada@example.com")).await;
        assert_eq!(tokens["user"]["verified"], true);
        // Whoever set it up has lost password and key, at once.
        let login = json!({ "email": "ada@example.com", "password": PASSWORD });
        hub.post("/api/auth/login").json(&login).send().await.expect(401);
        hub.get("/api/credits/balance").bearer(&key).send().await.expect(401);
        let token = tokens["accessToken"].as_str().unwrap();
        hub.get("/api/credits/balance").bearer(token).send().await.expect(200);
        hub.finish().await;
    }

    async fn an_address_nobody_vouches_for_opens_nothing(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let ada = hub.user("ada").await;
        let unsure = json!({ "sub": "g-1", "email": "ada@example.com", "email_verified": false });
        let mut pages = Vec::new();
        for (provider, claims) in [("sora2", person("s-1", "ada@example.com")), ("google", unsure)] {
            let page = Browser::default().come_back(&hub, &idp, provider, &claims).await.expect(403);
            assert!(page.text().contains("link this provider") && !page.text().contains("@example.com"), "{}", page.text());
            pages.push(page.text());
        }
        // Somebody without an account sees the same page.
        let page = Browser::default().come_back(&hub, &idp, "sora2", &person("s-2", "bob@example.com")).await.expect(403);
        assert_eq!(page.text(), pages[0]);
        let mails = hub.mails().await;
        let mut to_ada: Vec<_> =
            mails.iter().filter(|mail| mail.to == ada.email).map(|mail| mail.subject.clone()).collect();
        // Mails of one batch have no order.
        to_ada.sort();
        assert_eq!(to_ada, ["Signing in to Smart AI Hub with google", "Signing in to Smart AI Hub with sora2"]);
        assert!(!trail(&hub).await.contains(&"oauth.linked".to_owned()));

        // She signs in and links; from then on it opens her account.
        let done = link(&hub, &idp, &ada.access_token, "sora2", &person("s-1", "other@example.com")).await.expect(302);
        assert_eq!(done.header("location"), "http://127.0.0.1:3000/settings#linked=sora2");
        let tokens = Browser::default().sign_in(&hub, &idp, "sora2", &person("s-1", "whatever@example.com")).await;
        assert_eq!(tokens["user"]["id"], json!(ada.id));
        hub.finish().await;
    }

    async fn somebody_new_of_an_unsure_provider_proves_the_mailbox_first(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let bob = person("s-1", "bob@example.com");
        Browser::default().come_back(&hub, &idp, "sora2", &bob).await.expect(403);
        assert_eq!(people(&hub).await, 0);
        let token = mailed_token(&hub, "bob@example.com").await;
        hub.post("/api/auth/verify-email").json(&json!({ "token": token })).send().await.expect(200);
        let tokens = Browser::default().sign_in(&hub, &idp, "sora2", &bob).await;
        assert_eq!((tokens["user"]["email"].as_str(), tokens["user"]["verified"].as_bool()), (Some("bob@example.com"), Some(true)));
        hub.finish().await;
    }

    async fn an_identity_without_an_address_opens_only_what_it_is_tied_to(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let page = Browser::default().come_back(&hub, &idp, "google", &json!({ "sub": "g-1" })).await.expect(403);
        assert!(page.text().contains("does not tell your e-mail address"));
        let ada = hub.user("ada").await;
        link(&hub, &idp, &ada.access_token, "google", &json!({ "sub": "g-1" })).await.expect(302);
        let tokens = Browser::default().sign_in(&hub, &idp, "google", &json!({ "sub": "g-1" })).await;
        assert_eq!(tokens["user"]["id"], json!(ada.id));
        hub.finish().await;
    }

    async fn one_identity_opens_one_account_and_one_account_has_one_per_provider(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let (ada, eve) = (hub.user("ada").await, hub.user("eve").await);
        let (first, second) = (person("g-1", "x@example.com"), person("g-2", "x@example.com"));
        link(&hub, &idp, &ada.access_token, "google", &first).await.expect(302);
        link(&hub, &idp, &ada.access_token, "google", &first).await.expect(302);
        link(&hub, &idp, &eve.access_token, "google", &first).await.expect(409);
        link(&hub, &idp, &ada.access_token, "google", &second).await.expect(403);
        link(&hub, &idp, &eve.access_token, "google", &second).await.expect(302);
        hub.finish().await;
    }

    async fn linking_needs_a_person_who_has_just_signed_in(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let ada = hub.user("ada").await;
        let path = "/api/auth/oauth/google/link";
        hub.post(path).json(&json!({})).send().await.expect(401);
        hub.post(path).bearer(&ada.api_key).json(&json!({})).send().await.expect(403);
        hub.post(path).bearer(&ada.access_token).json(&json!({ "returnTo": "//evil" })).send().await.expect(400);
        // The session ends while the person is at the provider.
        let browser = Browser::default();
        let begun = browser.post(&hub, path, Some(&ada.access_token), &json!({})).await.expect(200).json();
        let back = idp.approve(begun["url"].as_str().unwrap(), &person("g-1", "ada@example.com"));
        hub.post("/api/auth/logout").bearer(&ada.access_token).json(&json!({})).send().await.expect(204);
        browser.get(&hub, &back).await.expect(400);
        let mut ada = ada;
        hub.sign_in(&mut ada).await;
        hub.advance(chrono::Duration::minutes(11));
        let late = hub.post(path).bearer(&ada.access_token).json(&json!({})).send().await.expect(403);
        assert_eq!(late.json()["error"]["details"]["reauthenticationRequired"], true);
        hub.finish().await;
    }

    async fn the_last_way_to_sign_in_stays(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let tokens = Browser::default().sign_in(&hub, &idp, "google", &person("g-1", "ada@example.com")).await;
        let token = tokens["accessToken"].as_str().unwrap();
        let list = async || hub.get("/api/auth/identities").bearer(token).send().await.expect(200).json()["identities"].clone();
        assert_eq!(list().await.as_array().map(Vec::len), Some(1));
        assert_eq!((&list().await[0]["provider"], &list().await[0]["email"]), (&json!("google"), &json!("ada@example.com")));
        let remove = async |provider: &str| hub.delete(&format!("/api/auth/identities/{provider}")).bearer(token).send().await;
        remove("google").await.expect(409);
        remove("sora2").await.expect(404);
        remove("password").await.expect(404);
        link(&hub, &idp, token, "sora2", &person("s-1", "ada@example.com")).await.expect(302);
        // Two at once must not leave nothing.
        let both = futures::future::join(remove("google"), remove("sora2")).await;
        let mut statuses = [both.0.status.as_u16(), both.1.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 409]);
        assert_eq!(list().await.as_array().map(Vec::len), Some(1));
        assert!(trail(&hub).await.contains(&"oauth.unlinked".to_owned()));
        let user = hub.user("eve").await;
        let theirs = hub.get("/api/auth/identities").bearer(&user.access_token).send().await.expect(200).json();
        assert_eq!(theirs["identities"][0]["provider"], "password");
        hub.get("/api/auth/identities").bearer(&user.api_key).send().await.expect(403);
        hub.finish().await;
    }

    async fn a_closed_hub_lets_nobody_new_in_and_a_disabled_account_stays_shut(pair: Pair) {
        let idp = Idp::start().await;
        let hub = hub_with(pair, &idp, |settings| settings.identity.registration = false).await;
        let page = Browser::default().come_back(&hub, &idp, "google", &person("g-1", "ada@example.com")).await.expect(403);
        assert!(page.text().contains("not open for registration"));
        Browser::default().come_back(&hub, &idp, "sora2", &person("s-1", "ada@example.com")).await.expect(403);
        assert_eq!((people(&hub).await, hub.mails().await.len()), (0, 0));
        let bob = hub.user("bob").await;
        Browser::default().sign_in(&hub, &idp, "google", &person("g-2", "bob@example.com")).await;
        let mut tx = hub.hub.store.write().await.unwrap();
        let off = users::UserStatus::Disabled;
        users::set_status(&mut tx, bob.id, off, hub.clock().now()).await.unwrap();
        tx.commit().await.unwrap();
        Browser::default().come_back(&hub, &idp, "google", &person("g-2", "bob@example.com")).await.expect(403);
        hub.finish().await;
    }

    async fn what_is_told_at_the_userinfo_endpoint_counts_for_the_same_person_only(pair: Pair) {
        let (hub, idp) = start(pair).await;
        idp.inner().thin_tokens = true;
        let tokens = Browser::default().sign_in(&hub, &idp, "google", &person("g-1", "ada@example.com")).await;
        assert_eq!(tokens["user"]["email"], "ada@example.com");
        idp.inner().trouble = super::idp::Trouble::UserinfoIsAnothers;
        Browser::default().come_back(&hub, &idp, "google", &person("g-2", "eve@example.com")).await.expect(502);
        hub.finish().await;
    }

    async fn a_provider_without_id_tokens_is_asked_for_its_own_claims(pair: Pair) {
        let idp = Idp::start().await;
        let url = idp.url().to_owned();
        let hub = hub_with(pair, &idp, move |settings| {
            let sora2 = &mut settings.oauth[1];
            sora2.issuer = None;
            sora2.authorization_endpoint = format!("{url}/authorize").parse().ok();
            sora2.token_endpoint = format!("{url}/token").parse().ok();
            sora2.userinfo_endpoint = format!("{url}/userinfo").parse().ok();
            sora2.scopes = vec!["user:email".to_owned()];
            sora2.subject_claim = "/account/id".to_owned();
            sora2.email_claim = "mail".to_owned();
            sora2.email_verified_claim = String::new();
            sora2.email_trusted = true;
        })
        .await;
        // Its ID token is nobody's word here, however forged.
        idp.inner().forgery = super::idp::Forgery::AlgNone;
        let bob = json!({ "account": { "id": 17 }, "mail": "bob@example.com", "sub": "not this" });
        let tokens = Browser::default().sign_in(&hub, &idp, "sora2", &bob).await;
        assert_eq!(tokens["user"]["email"], "bob@example.com");
        hub.finish().await;
    }
}

/// An account with a password and a key whose address nobody has proven. No rule makes one; it may come from an import.
async fn unproven(hub: &TestHub, email: &str) -> String {
    let hash = hub.hub.passwords.hash(&Password::parse(PASSWORD).unwrap()).await.unwrap();
    let email = email.parse().unwrap();
    let (id, at) = (UserId::new(hub.clock()), hub.clock().now());
    let new = NewUser { id, email: &email, name: "", password_hash: Some(&hash), verified: false, at };
    let mut tx = hub.hub.store.write().await.unwrap();
    users::insert(&mut tx, &new).await.unwrap();
    let role = roles::by_name(&mut tx, "user").await.unwrap().unwrap();
    roles::assign(&mut tx, id, role.id, None, at).await.unwrap();
    credits::open_account(&hub.hub, &mut tx, id).await.unwrap();
    tx.commit().await.unwrap();
    let (operator, new) =
        (hub::first_start::operator().unwrap(), NewKey { name: "test".to_owned(), ..NewKey::default() });
    keys::create_for(&hub.hub, &operator, id, new).await.unwrap().key
}
