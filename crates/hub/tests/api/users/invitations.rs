//! Open invitations: listed, mailed once more, withdrawn.

use axum::http::Method;
use chrono::Duration;
use futures::future::join_all;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};

use super::{GOOD, get, holder, send};
use crate::auth::{last_mail_to, token_in};

const LIST: &str = "/api/users/invitations";

async fn invite(hub: &TestHub, who: &TestUser, email: &str, role: &str) -> Value {
    send(hub, who, Method::POST, "/api/users", &json!({ "email": email, "role": role })).await.expect(202).json()
}

async fn accept(hub: &TestHub, email: &str) -> TestResponse {
    let token = token_in(&last_mail_to(hub, email).await, "accept-invite");
    hub.post("/api/auth/accept-invite").json(&json!({ "token": token, "password": GOOD })).send().await
}

fn path(invitation: &Value) -> String {
    format!("{LIST}/{}", invitation["id"].as_str().unwrap())
}

on_both_pairs! {
    async fn open_invitations_are_listed_newest_first_without_their_links(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (admin, manager) = (hub.admin().await, hub.manager().await);
        assert_eq!(get(&hub, &manager, LIST).await.expect(200).json(), json!({ "invitations": [], "total": 0, "hasMore": false }));
        for n in 0..4 {
            hub.advance(Duration::milliseconds(5));
            invite(&hub, &admin, &format!("n{n}@example.com"), "user").await;
        }
        accept(&hub, "n1@example.com").await.expect(204);
        let page = get(&hub, &manager, &format!("{LIST}?limit=2")).await.expect(200).json();
        let one = &page["invitations"][0];
        assert_eq!((&one["email"], &one["role"], &one["invitedBy"]), (&json!("n3@example.com"), &json!("user"), &json!(admin.id)));
        assert_eq!((&page["total"], &page["hasMore"]), (&json!(3), &json!(true)));
        let token = token_in(&last_mail_to(&hub, "n3@example.com").await, "accept-invite");
        assert!(!page.to_string().contains(&token));
        let cursor = page["nextCursor"].as_str().unwrap();
        let rest = get(&hub, &manager, &format!("{LIST}?limit=2&cursor={cursor}")).await.expect(200).json();
        assert_eq!((&rest["invitations"][0]["email"], &rest["hasMore"]), (&json!("n0@example.com"), &json!(false)));
        get(&hub, &manager, &format!("{LIST}?offset=1")).await.expect(400);
        hub.advance(Duration::days(7));
        let mut manager = manager;
        hub.sign_in(&mut manager).await;
        assert_eq!(get(&hub, &manager, LIST).await.expect(200).json()["total"], 0, "what ran out is not open");
        hub.finish().await;
    }

    async fn an_invitation_is_mailed_once_more_with_another_link(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let first = invite(&hub, &admin, "new@example.com", "manager").await;
        let old = token_in(&last_mail_to(&hub, "new@example.com").await, "accept-invite");
        hub.advance(Duration::days(6));
        let mut admin = admin;
        hub.sign_in(&mut admin).await;
        let again = send(&hub, &admin, Method::POST, &format!("{}/resend", path(&first)), &json!({})).await.expect(202).json();
        assert_eq!((&again["email"], &again["role"], &again["expiresAt"]), (&first["email"], &first["role"], &json!("2026-12-06T10:00:00Z")));
        send(&hub, &admin, Method::POST, &format!("{}/resend", path(&first)), &json!({})).await.expect(404);
        let body = json!({ "token": old, "password": GOOD });
        hub.post("/api/auth/accept-invite").json(&body).send().await.expect(400);
        hub.advance(Duration::days(2));
        accept(&hub, "new@example.com").await.expect(204);
        hub.finish().await;
    }

    async fn a_withdrawn_invitation_makes_no_account_however_close_the_race(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let (admin, manager) = (hub.admin().await, hub.manager().await);
        let invitation = invite(&hub, &admin, "new@example.com", "user").await;
        let withdraw = async |hub: &TestHub| hub.delete(&path(&invitation)).bearer(&admin.access_token).send().await.status.as_u16();
        hub.delete(&path(&invitation)).bearer(&manager.access_token).send().await.expect(403);
        let mut done = join_all((0..10).map(|n| withdraw(if n % 2 == 0 { &hub } else { &twin }))).await;
        done.sort_unstable();
        assert_eq!(done, [&[204][..], &[404; 9]].concat());
        accept(&hub, "new@example.com").await.expect(400);
        let rows = get(&hub, &admin, "/api/admin/audit?action=user.invitation_withdrawn").await.expect(200).json();
        let rows = rows["entries"].as_array().unwrap();
        assert_eq!((rows.len(), &rows[0]["actorId"], &rows[0]["details"]["email"]), (1, &json!(admin.id), &json!("new@example.com")));
        // Of one who accepts and one who withdraws at the same moment exactly one succeeds.
        let second = invite(&hub, &admin, "other@example.com", "user").await;
        let (taken, gone) = tokio::join!(accept(&hub, "other@example.com"), async {
            twin.delete(&path(&second)).bearer(&admin.access_token).send().await
        });
        assert!([(204, 404), (400, 204)].contains(&(taken.status.as_u16(), gone.status.as_u16())), "{} {}", taken.status, gone.status);
        twin.finish().await;
        hub.finish().await;
    }

    async fn nobody_withdraws_or_resends_what_they_could_not_invite(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let role = json!({ "name": "desk", "rank": 30, "permissions": ["users:read", "users:create"] });
        send(&hub, &admin, Method::POST, "/api/roles", &role).await.expect(201);
        let desk = holder(&hub, "desk", "desk").await;
        let (chief, plain) = (invite(&hub, &admin, "chief@example.com", "admin").await, invite(&hub, &admin, "new@example.com", "user").await);
        hub.delete(&path(&chief)).bearer(&desk.access_token).send().await.expect(403);
        send(&hub, &desk, Method::POST, &format!("{}/resend", path(&chief)), &json!({})).await.expect(403);
        send(&hub, &desk, Method::POST, &format!("{}/resend", path(&plain)), &json!({})).await.expect(202);
        hub.finish().await;
    }
}
