//! Invitations: accepted once, by the owner of the mailbox, while whoever invited may still do so.

use axum::http::Method;
use chrono::Duration;
use futures::future::join_all;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use hub_types::Email;
use serde_json::{Value, json};

use super::{GOOD, get, holder, login, patch, revoke, send};

const NEW: &str = "new@example.com";

async fn invite(hub: &TestHub, who: &TestUser, body: &Value) -> TestResponse {
    send(hub, who, Method::POST, "/api/users", body).await
}

/// The secret of the newest invitation to this address.
async fn link(hub: &TestHub, to: &str) -> String {
    let to: Email = to.parse().unwrap();
    let mails = hub.mails().await;
    let mail = mails.iter().rev().find(|mail| mail.to == to).expect("a mail");
    let link = mail.text.lines().find_map(|line| line.strip_prefix("http://127.0.0.1:3000/accept-invite?token="));
    link.expect("a link").to_owned()
}

async fn accept(hub: &TestHub, token: &str) -> TestResponse {
    let body = json!({ "token": token, "password": GOOD });
    hub.post("/api/auth/accept-invite").json(&body).send().await
}

on_both_pairs! {
    async fn of_twenty_who_accept_one_invitation_one_gets_the_account(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let admin = hub.admin().await;
        let body = json!({ "email": NEW, "name": "New", "role": "manager" });
        let invited = invite(&hub, &admin, &body).await.expect(202).json();
        let id = &invited["id"];
        assert_eq!(invited, json!({ "id": id, "email": NEW, "role": "manager", "expiresAt": "2026-11-30T10:00:00Z" }));
        login(&hub, NEW, GOOD).await.expect(401);
        let token = link(&hub, NEW).await;
        let weak = json!({ "token": token, "password": "Password1!" });
        hub.post("/api/auth/accept-invite").json(&weak).send().await.expect(400);
        let answers = join_all((0..20).map(|n| accept(if n % 2 == 0 { &hub } else { &twin }, &token))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [&[204][..], &[400; 19]].concat());
        let user = login(&hub, NEW, GOOD).await.expect(200).json()["user"].clone();
        assert_eq!((&user["name"], &user["roles"], &user["verified"]), (&json!("New"), &json!(["manager"]), &json!(true)));
        let path = "/api/admin/audit?action=user.invite";
        let rows = get(&hub, &admin, path).await.expect(200).json();
        let rows = rows["entries"].as_array().unwrap();
        assert_eq!(super::actions(rows), ["user.invite_accepted", "user.invited"]);
        assert_eq!((&rows[0]["actorId"], &rows[0]["details"]["invitedBy"]), (&user["id"], &json!(admin.id)));
        assert_eq!((&rows[1]["actorId"], &rows[1]["userId"]), (&json!(admin.id), &json!(null)));
        assert!(!rows.iter().any(|row| row.to_string().contains(&token)));
        invite(&hub, &admin, &body).await.expect(409);
        twin.finish().await;
        hub.finish().await;
    }

    async fn an_invitation_ends_with_its_time_a_newer_one_and_a_registration(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut admin = hub.admin().await;
        invite(&hub, &admin, &json!({ "email": NEW })).await.expect(202);
        let first = link(&hub, NEW).await;
        invite(&hub, &admin, &json!({ "email": NEW })).await.expect(202);
        let second = link(&hub, NEW).await;
        accept(&hub, &first).await.expect(400);
        hub.advance(Duration::days(7));
        accept(&hub, &second).await.expect(400);

        hub.sign_in(&mut admin).await;
        for _ in 0..6 {
            invite(&hub, &admin, &json!({ "email": NEW })).await.expect(202);
        }
        let busy = invite(&hub, &admin, &json!({ "email": NEW })).await.expect(429);
        assert_eq!(busy.header("retry-after"), "3600");
        let third = link(&hub, NEW).await;
        let register = json!({ "email": NEW, "password": "nine patient snails on the wall" });
        hub.post("/api/auth/register").json(&register).send().await.expect(202);
        let mails = hub.mails().await;
        let code = mails.iter().find_map(|mail| mail.text.lines().find(|line| line.len() == 6 && line.parse::<u32>().is_ok()));
        hub.post("/api/auth/verify-email").json(&json!({ "email": NEW, "code": code })).send().await.expect(200);
        accept(&hub, &third).await.expect(400);
        login(&hub, NEW, GOOD).await.expect(401);
        accept(&hub, "never was one").await.expect(400);
        hub.finish().await;
    }

    async fn whoever_invited_must_still_be_able_to(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (admin, second) = (hub.admin().await, holder(&hub, "second", "admin").await);
        invite(&hub, &second, &json!({ "email": NEW, "role": "admin" })).await.expect(202);
        let token = link(&hub, NEW).await;
        patch(&hub, &admin, &second, &json!({ "status": "disabled" })).await.expect(200);
        accept(&hub, &token).await.expect(400);
        patch(&hub, &admin, &second, &json!({ "status": "active" })).await.expect(200);
        revoke(&hub, &admin, &second, "admin").await.expect(204);
        accept(&hub, &token).await.expect(400);
        super::grant(&hub, &admin, &second, "admin").await.expect(204);
        accept(&hub, &token).await.expect(204);
        hub.finish().await;
    }
}
