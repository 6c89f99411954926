//! The keys that sign tokens: rotation, and the public ones.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use hub_domain::sessions::TokenAlgorithm;
use hub_testkit::{TestHub, TestResponse, on_both_pairs};
use serde_json::{Value, json};

const NEWER: &str = "Zk4Wq8rTn2VxJb6YcPd9Lm3HsGf7AeUo";

fn header_of(token: &str) -> Value {
    let (header, _) = token.split_once('.').unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

async fn me(hub: &TestHub, token: &str) -> TestResponse {
    hub.get("/api/auth/me").bearer(token).send().await
}

async fn refresh(hub: &TestHub, token: &str) -> TestResponse {
    hub.post("/api/auth/refresh").json(&json!({ "refreshToken": token })).send().await
}

on_both_pairs! {
    async fn after_a_rotation_old_tokens_live_out_their_time_and_new_ones_have_a_new_key(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut ada = hub.user("ada").await;
        let rotated = hub.sibling_with(|secrets, _| {
            secrets.also_accepted.push(secrets.jwt.clone());
            secrets.jwt = NEWER.into();
        });
        let rotated = rotated.await;
        let old = ada.access_token.clone();
        me(&rotated, &old).await.expect(200);
        let fresh = refresh(&rotated, &ada.refresh_token).await.expect(200).json();
        let newer = fresh["accessToken"].as_str().unwrap();
        assert_ne!(header_of(&old)["kid"], header_of(newer)["kid"]);
        me(&rotated, newer).await.expect(200);
        me(&hub, newer).await.expect(401);
        rotated.sign_in(&mut ada).await;
        assert_eq!(header_of(&ada.access_token)["kid"], header_of(newer)["kid"]);
        hub.advance(Duration::seconds(906));
        me(&rotated, &old).await.expect(401);
        refresh(&rotated, fresh["refreshToken"].as_str().unwrap()).await.expect(200);
        rotated.finish().await;
        hub.finish().await;
    }

    async fn an_old_key_that_is_forgotten_opens_nothing(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let rotated = hub.sibling_with(|secrets, _| secrets.jwt = NEWER.into()).await;
        me(&rotated, &ada.access_token).await.expect(401);
        refresh(&rotated, &ada.refresh_token).await.expect(401);
        rotated.finish().await;
        hub.finish().await;
    }

    async fn a_staged_change_signs_nobody_out_on_either_side(pair: Pair) {
        let hub = TestHub::start(pair).await;
        // First all processes accept the coming key, then one after the other signs with it.
        let accepting = hub.sibling_with(|secrets, _| secrets.also_accepted.push(NEWER.into())).await;
        let signing = hub.sibling_with(|secrets, _| {
            secrets.also_accepted.push(secrets.jwt.clone());
            secrets.jwt = NEWER.into();
        });
        let signing = signing.await;
        let mut ada = accepting.user("ada").await;
        me(&signing, &ada.access_token).await.expect(200);
        signing.sign_in(&mut ada).await;
        me(&accepting, &ada.access_token).await.expect(200);
        for hub in [accepting, signing, hub] {
            hub.finish().await;
        }
    }

    async fn second_factors_survive_a_rotation(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let begin = json!({ "password": ada.password });
        hub.post("/api/auth/totp").bearer(&ada.access_token).json(&begin).send().await.expect(200);
        let rotated = hub.sibling_with(|secrets, _| {
            secrets.also_accepted.push(secrets.jwt.clone());
            secrets.jwt = NEWER.into();
        });
        let rotated = rotated.await;
        let code = json!({ "code": "no code" });
        let refused = rotated.post("/api/auth/totp/confirm").bearer(&ada.access_token).json(&code).send().await;
        refused.expect(400);
        // With another sealing secret the factor cannot be read at all, which is our fault and not the caller's.
        let resealed = hub.sibling_with(|secrets, _| secrets.sealing = NEWER.into()).await;
        let broken = resealed.post("/api/auth/totp/confirm").bearer(&ada.access_token).json(&code).send().await;
        broken.expect(500);
        assert_eq!(hub.take_errors().len(), 1);
        for hub in [rotated, resealed, hub] {
            hub.finish().await;
        }
    }

    async fn others_can_check_tokens_with_the_published_keys(pair: Pair) {
        let eddsa = |settings: &mut hub::config::Settings| settings.security.token_algorithm = TokenAlgorithm::EdDSA;
        let hub = TestHub::builder(pair).settings(eddsa).start().await;
        let ada = hub.user("ada").await;
        let rotated = hub.sibling_with(|secrets, _| {
            secrets.also_accepted.push(secrets.jwt.clone());
            secrets.jwt = NEWER.into();
        });
        let rotated = rotated.await;
        let answer = rotated.get("/.well-known/jwks.json").send().await.expect(200);
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        let keys = answer.json()["keys"].as_array().unwrap().clone();
        assert_eq!(keys.len(), 2);
        let header = header_of(&ada.access_token);
        assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
        let key = keys.iter().find(|key| key["kid"] == header["kid"]).expect("the old key is still published");
        assert_eq!((&key["kty"], &key["crv"], &key["use"]), (&json!("OKP"), &json!("Ed25519"), &json!("sig")));
        assert_eq!(key.as_object().unwrap().len(), 6, "nothing private: {key}");

        let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
        let (signed, signature) = ada.access_token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(&ED25519, public);
        assert!(public.verify(signed.as_bytes(), &signature).is_ok());
        assert!(public.verify(format!("{signed}x").as_bytes(), &signature).is_err());
        me(&rotated, &ada.access_token).await.expect(200);
        rotated.finish().await;
        hub.finish().await;
    }

    async fn a_shared_secret_has_no_public_key_and_both_algorithms_are_accepted(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let keys = hub.get("/.well-known/jwks.json").send().await.expect(200).json();
        assert_eq!(keys, json!({ "keys": [] }));
        let changed = hub.sibling_with(|_, settings| settings.security.token_algorithm = TokenAlgorithm::EdDSA).await;
        me(&changed, &ada.access_token).await.expect(200);
        let newer = refresh(&changed, &ada.refresh_token).await.expect(200).json();
        me(&hub, newer["accessToken"].as_str().unwrap()).await.expect(200);
        changed.finish().await;
        hub.finish().await;
    }
}
