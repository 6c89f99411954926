//! The audit trail: one row per security event, for those who may see it, and nobody changes it.

use std::cell::Cell;

use axum::http::Method;
use chrono::Duration;
use hub_domain::{audit, jobs, rbac};
use hub_store::audit::Entry;
use hub_testkit::{NewMember, TestHub, TestRequest, TestUser, on_both_pairs};
use hub_types::{AuditId, Credits, Origin, UserId};
use serde_json::{Value, json};

/// From where all requests of these tests come.
const ADDRESS: &str = "203.0.113.7";

/// Sends requests that can be told apart in the trail by their `User-Agent`.
struct Steps<'a> {
    hub: &'a TestHub,
    admin: TestUser,
    count: Cell<u32>,
}

impl Steps<'_> {
    fn agent(&self) -> String {
        // A tab is the one control character that a header can hold.
        format!("aud-{}.\tx", self.count.get())
    }

    fn request(&self, method: Method, path: &str) -> TestRequest {
        self.count.set(self.count.get() + 1);
        self.hub.request(method, path).from(ADDRESS).header("user-agent", &self.agent())
    }

    /// Sends a request and asserts that it left exactly this row.
    async fn leaves(
        &self,
        request: TestRequest,
        status: u16,
        action: &str,
        actor: Option<UserId>,
        about: UserId,
    ) -> Value {
        let answer = request.send().await.expect(status);
        // What is asked for without signing in is done by a job.
        self.hub.run_jobs().await;
        let path = format!("/api/admin/audit?q=aud-{}.", self.count.get());
        let found = self.hub.get(&path).bearer(&self.admin.access_token).send().await.expect(200).json();
        let rows = found["entries"].as_array().unwrap();
        assert_eq!(rows.len(), 1, "{action}: {found:#}");
        let row = &rows[0];
        let expected = json!({
            "action": action,
            "actorId": actor,
            "userId": about,
            "address": ADDRESS,
            "userAgent": self.agent().replace('\t', "\\u{9}"),
            "createdAt": "2026-11-23T10:00:00Z",
            "requestId": answer.header("x-request-id"),
        });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&row[field], value, "{action}: {field}");
        }
        assert!(!row["targetKind"].as_str().unwrap().is_empty(), "{row:#}");
        row.clone()
    }
}

async fn entries(hub: &TestHub, token: &str, path: &str) -> Vec<Value> {
    let found = hub.get(path).bearer(token).send().await.expect(200).json();
    found["entries"].as_array().unwrap().clone()
}

fn actions(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["action"].as_str().unwrap()).collect()
}

async fn insert(hub: &TestHub, rows: impl IntoIterator<Item = Entry>) {
    let mut tx = hub.hub.store.write().await.unwrap();
    for row in rows {
        hub_store::audit::insert(&mut tx, &row).await.unwrap();
    }
    tx.commit().await.unwrap();
}

fn row(hub: &TestHub, user_agent: &str) -> Entry {
    Entry {
        id: AuditId::new(hub.clock()),
        at: hub.clock().now(),
        action: "test.row".to_owned(),
        outcome: "ok".to_owned(),
        actor: None,
        actor_email: String::new(),
        target_kind: "user".to_owned(),
        target_id: String::new(),
        user: None,
        address: String::new(),
        user_agent: user_agent.to_owned(),
        request_id: String::new(),
        details: json!({ "a": 1, "b": "x,\"y\"" }),
    }
}

/// The secret in the newest mail to this user that has one; notices about keys have none.
async fn mailed_token(hub: &TestHub, user: &TestUser) -> String {
    let mails = hub.mails().await;
    let mail = mails.iter().rev().find(|mail| mail.to == user.email && mail.text.contains("token=")).unwrap();
    mail.text.split_once("token=").unwrap().1.lines().next().unwrap().to_owned()
}

on_both_pairs! {
    async fn aud_01_each_security_event_leaves_exactly_one_row(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (mut ada, admin) = (hub.user("ada").await, hub.admin().await);
        let steps = Steps { hub: &hub, admin: admin.clone(), count: Cell::new(0) };
        let (id, me) = (ada.id, Some(ada.id));
        let login = |password: &str| {
            steps.request(Method::POST, "/api/auth/login").json(&json!({ "email": ada.email, "password": password }))
        };
        let row = steps.leaves(login(&ada.password), 200, "auth.login", me, id).await;
        assert_eq!((row["outcome"].as_str(), row["targetKind"].as_str()), (Some("ok"), Some("session")));
        let row = steps.leaves(login("not the right one at all"), 401, "auth.login_failed", None, id).await;
        assert_eq!((row["outcome"].as_str(), row["actorEmail"].as_str()), (Some("failed"), Some(ada.email.as_str())));

        let created = steps.request(Method::POST, "/api/keys").bearer(&ada.access_token).json(&json!({ "name": "laptop" }));
        let row = steps.leaves(created, 201, "key.created", me, id).await;
        let path = format!("/api/keys/{}", row["targetId"].as_str().unwrap());
        steps.leaves(steps.request(Method::DELETE, &path).bearer(&ada.access_token), 204, "key.revoked", me, id).await;

        let body = json!({ "userId": id, "amount": 5, "reason": "sorry" });
        let grant = steps.request(Method::POST, "/api/credits/grant").bearer(&admin.access_token).json(&body);
        steps.leaves(grant, 200, "credits.granted", Some(admin.id), id).await;
        let refused = steps.request(Method::POST, "/api/credits/grant").bearer(&ada.access_token).json(&body);
        let row = steps.leaves(refused, 403, "access.denied", me, id).await;
        assert_eq!((row["targetKind"].as_str(), row["targetId"].as_str()), (Some("permission"), Some("credits:grant")));
        assert_eq!(row["details"], json!({ "method": "POST", "route": "/api/credits/grant" }));

        // A refresh token used again after its grace ends its session.
        let first = ada.refresh_token.clone();
        let refresh = |token: &str| json!({ "refreshToken": token });
        hub.post("/api/auth/refresh").json(&refresh(&first)).send().await.expect(200);
        hub.post("/api/auth/refresh").json(&refresh(&first)).send().await.expect(200);
        let sessions = hub.get("/api/auth/sessions").bearer(&ada.access_token).send().await.expect(200).json();
        let other = sessions["sessions"].as_array().unwrap().iter().find(|one| one["current"] == false).unwrap()["id"].clone();
        let path = format!("/api/auth/sessions/{}", other.as_str().unwrap());
        let row = steps.leaves(steps.request(Method::DELETE, &path).bearer(&ada.access_token), 204, "session.revoked", me, id).await;
        assert_eq!(row["targetId"], other);
        let logout = steps.request(Method::POST, "/api/auth/logout").bearer(&ada.access_token).json(&json!({}));
        steps.leaves(logout, 204, "auth.logout", me, id).await;

        let forgot = steps.request(Method::POST, "/api/auth/forgot-password").json(&json!({ "email": ada.email }));
        steps.leaves(forgot, 202, "auth.password_reset_requested", None, id).await;
        let body = json!({ "token": mailed_token(&hub, &ada).await, "password": "eleven quiet otters under the bridge" });
        let reset = steps.request(Method::POST, "/api/auth/reset-password").json(&body);
        let row = steps.leaves(reset, 204, "auth.password_reset", me, id).await;
        assert!(!row.to_string().contains(body["token"].as_str().unwrap()) && !row.to_string().contains("otters"));

        "eleven quiet otters under the bridge".clone_into(&mut ada.password);
        hub.sign_in(&mut ada).await;
        hub.finish().await;
    }

    async fn aud_01_what_administrators_and_owners_do_leaves_exactly_one_row_each(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob, admin) = (hub.user("ada").await, hub.user("bob").await, hub.admin().await);
        let steps = Steps { hub: &hub, admin: admin.clone(), count: Cell::new(0) };
        let (id, me, boss) = (ada.id, Some(ada.id), Some(admin.id));
        let user = format!("/api/users/{id}");
        let send = |who: &TestUser, method: Method, path: &str, body: &Value| {
            steps.request(method, path).bearer(&who.access_token).json(body)
        };
        let row = steps.leaves(send(&admin, Method::POST, &format!("{user}/roles"), &json!({ "role": "manager" })), 204, "role.granted", boss, id).await;
        assert_eq!(row["details"]["role"], "manager");
        let revoked = format!("{user}/roles/manager");
        steps.leaves(send(&admin, Method::DELETE, &revoked, &json!({})), 204, "role.revoked", boss, id).await;
        let mut ada = ada;
        hub.sign_in(&mut ada).await;
        let looked = send(&admin, Method::POST, &format!("{user}/impersonate"), &json!({ "reason": "ticket 7" }));
        let row = steps.leaves(looked, 200, "user.impersonated", boss, id).await;
        assert_eq!((&row["details"]["reason"], &row["details"]["actingAs"]), (&json!("ticket 7"), &json!(id)));
        let again = hub.post(&format!("/api/users/{}/impersonate", bob.id)).bearer(&admin.access_token);
        let token = again.json(&json!({ "reason": "ticket 8" })).send().await.expect(200).json();
        let ended = steps.request(Method::POST, "/api/auth/logout").bearer(token["accessToken"].as_str().unwrap()).json(&json!({}));
        steps.leaves(ended, 204, "user.impersonation_ended", boss, bob.id).await;
        let keys = hub.get("/api/keys").bearer(&ada.access_token).send().await.expect(200).json();
        let path = format!("/api/keys/{}", keys["keys"][0]["id"].as_str().unwrap());
        steps.leaves(send(&ada, Method::PATCH, &path, &json!({ "name": "laptop" })), 200, "key.updated", me, id).await;
        let row = steps.leaves(send(&ada, Method::POST, &format!("{path}/rotate"), &json!({})), 201, "key.rotated", me, id).await;
        assert_eq!(row["details"]["prefix"].as_str().unwrap().len(), 12, "{row}");
        let promo = hub.post("/api/promo-codes").bearer(&admin.access_token).json(&json!({ "code": "ROWS", "credits": 1 }));
        promo.send().await.expect(201);
        steps.leaves(send(&ada, Method::POST, "/api/credits/redeem", &json!({ "code": "ROWS" })), 200, "promo.redeemed", me, id).await;
        let reset = send(&admin, Method::POST, &format!("{user}/reset-password"), &json!({}));
        steps.leaves(reset, 202, "auth.password_reset_requested", boss, id).await;
        let moved = send(&admin, Method::POST, &format!("{user}/change-email"), &json!({ "newEmail": "moved@example.com" }));
        steps.leaves(moved, 200, "auth.email_changed", boss, id).await;
        steps.leaves(send(&admin, Method::PATCH, &user, &json!({ "name": "Ada" })), 200, "user.updated", boss, id).await;
        steps.leaves(send(&admin, Method::PATCH, &user, &json!({ "status": "disabled" })), 200, "user.disabled", boss, id).await;
        steps.leaves(send(&admin, Method::DELETE, &user, &json!({})), 204, "user.deleted", boss, id).await;
        hub.finish().await;
    }

    async fn aud_01_mfa_on_and_off_leaves_exactly_one_row_each(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let (_, codes) = crate::factors::set_up(&hub, &ada).await;
        let steps = Steps { hub: &hub, admin: admin.clone(), count: Cell::new(0) };
        let on = entries(&hub, &admin.access_token, &format!("/api/admin/audit?action=auth.totp&user={}", ada.id)).await;
        assert_eq!((actions(&on), &on[0]["actorId"]), (vec!["auth.totp_enabled"], &json!(ada.id)));
        let off = json!({ "password": ada.password, "code": codes[0] });
        let off = steps.request(Method::DELETE, "/api/auth/totp").bearer(&ada.access_token).json(&off);
        let row = steps.leaves(off, 204, "auth.totp_disabled", Some(ada.id), ada.id).await;
        assert!(!row.to_string().contains(&codes[0]));
        hub.finish().await;
    }

    async fn aud_01_a_used_up_refresh_token_leaves_a_row(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let body = json!({ "refreshToken": ada.refresh_token });
        hub.post("/api/auth/refresh").json(&body).send().await.expect(200);
        hub.advance(Duration::seconds(30));
        for _ in 0..3 {
            hub.post("/api/auth/refresh").from(ADDRESS).json(&body).send().await.expect(401);
        }
        let rows = entries(&hub, &admin.access_token, "/api/admin/audit?action=session.reuse").await;
        assert_eq!((rows.len(), &rows[0]["userId"], &rows[0]["outcome"]), (1, &json!(ada.id), &json!("failed")));
        hub.finish().await;
    }

    async fn a_registration_leaves_a_row_once_it_is_an_account(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let body = json!({ "email": "eve@example.com", "password": "nine patient snails on the wall", "name": "Eve" });
        hub.post("/api/auth/register").from(ADDRESS).json(&body).send().await.expect(202);
        let path = "/api/admin/audit?action=user.registered";
        assert!(entries(&hub, &admin.access_token, path).await.is_empty());
        let mails = hub.mails().await;
        let token = mails.last().unwrap().text.split_once("token=").unwrap().1.lines().next().unwrap().to_owned();
        let verify = hub.post("/api/auth/verify-email").from(ADDRESS).json(&json!({ "token": token }));
        verify.send().await.expect(200);
        let rows = entries(&hub, &admin.access_token, path).await;
        assert_eq!((rows.len(), rows[0]["actorEmail"].as_str()), (1, Some("eve@example.com")));
        assert_eq!(rows[0]["actorId"], rows[0]["targetId"]);
        assert_eq!(rows[0]["address"], ADDRESS);
        hub.finish().await;
    }

    async fn aud_01_members_see_their_own_part_and_no_more(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob, manager, admin) =
            (hub.user("ada").await, hub.user("bob").await, hub.manager().await, hub.admin().await);
        let body = json!({ "userId": ada.id, "amount": 5, "reason": "sorry" });
        let grant = hub.post("/api/credits/grant").bearer(&admin.access_token).from(ADDRESS).header("user-agent", "office");
        grant.json(&body).send().await.expect(200);
        let wrong = json!({ "email": ada.email, "password": "not the right one at all" });
        hub.post("/api/auth/login").from("198.51.100.9").json(&wrong).send().await.expect(401);

        let mine = entries(&hub, &ada.access_token, "/api/users/me/audit?limit=100").await;
        assert!(mine.iter().all(|row| row["userId"] == json!(ada.id)), "{mine:#?}");
        assert_eq!(actions(&mine)[..2], ["auth.login_failed", "credits.granted"]);
        // Where a stranger tried from is ours to know; where the administrator sat is not.
        assert_eq!(mine[0]["address"], "198.51.100.9");
        let granted = &mine[1];
        assert_eq!((&granted["actorId"], &granted["details"]["reason"]), (&json!(admin.id), &json!("sorry")));
        for field in ["address", "userAgent", "actorEmail"] {
            assert_eq!(granted[field], "", "{field}");
        }
        let others = entries(&hub, &bob.access_token, "/api/users/me/audit").await;
        assert!(others.iter().all(|row| row["userId"] == json!(bob.id)));
        for token in [&ada.access_token, &manager.access_token, &ada.api_key] {
            for path in ["/api/admin/audit", "/api/admin/audit.csv"] {
                hub.get(path).bearer(token).send().await.expect(403);
            }
        }
        hub.get("/api/users/me/audit").bearer(&ada.api_key).send().await.expect(403);
        for path in ["/api/admin/audit", "/api/admin/audit.csv", "/api/users/me/audit"] {
            hub.get(path).send().await.expect(401);
        }
        hub.finish().await;
    }

    async fn filters_and_pages_find_each_row_once(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        hub.advance(Duration::minutes(1));
        insert(&hub, (0..25).map(|n| row(&hub, &format!("page-{n:02}")))).await;
        hub.advance(Duration::minutes(1));
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/admin/audit?limit=10&action=test.{cursor}");
            let page = hub.get(&path).bearer(&admin.access_token).send().await.expect(200).json();
            seen.extend(page["entries"].as_array().unwrap().iter().map(|row| row["userAgent"].as_str().unwrap().to_owned()));
            assert_eq!(page["hasMore"], page["nextCursor"].is_string());
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, (0..25).rev().map(|n| format!("page-{n:02}")).collect::<Vec<_>>());
        let count = async |query: &str| entries(&hub, &admin.access_token, &format!("/api/admin/audit?limit=100&{query}")).await.len();
        assert_eq!(count("from=2026-11-23T10:01:00Z&to=2026-11-23T10:01:01Z").await, 25);
        assert_eq!(count("action=test.&to=2026-11-23T10:01:00Z").await, 0);
        assert_eq!(count("action=test.&from=2026-11-23T10:01:01Z").await, 0);
        assert_eq!(count("q=PAGE-07").await, 1);
        assert_eq!(count(&format!("actor={}&action=auth.login", ada.id)).await, 1);
        assert_eq!(count(&format!("user={}&action=user.created", ada.id)).await, 1);
        assert_eq!(count("outcome=failed").await, 0);
        for (query, field) in [
            ("outcome=maybe", "outcome"), ("action=Auth%25", "action"), ("q=", "q"), ("offset=3", "offset"), ("actor=ada", "actor"),
            ("from=2026-11-23T10:01:00Z&to=2026-11-23T10:00:00Z", "to"), ("from=yesterday", "from"), ("cursor=e30", "cursor"),
        ] {
            let refused = hub.get(&format!("/api/admin/audit?{query}")).bearer(&admin.access_token).send().await.expect(400);
            assert_eq!(refused.json()["error"]["details"][0]["field"], field, "{query}");
        }
        hub.finish().await;
    }

    async fn an_export_has_every_row_and_no_formula(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        insert(&hub, (0..1201).map(|n| row(&hub, &format!("row-{n}")))).await;
        insert(&hub, [row(&hub, "=HYPERLINK(\"http://evil\",\"x\")"), row(&hub, "-2+3")]).await;
        let path = "/api/admin/audit.csv?action=test.";
        let mut answer = hub.get(path).bearer(&admin.access_token).stream().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8; header=present");
        assert!(answer.headers["content-disposition"].to_str().unwrap().contains("attachment"));
        let (mut text, mut largest) = (String::new(), 0);
        while let Some(chunk) = answer.chunk().await {
            let chunk = chunk.unwrap();
            largest = largest.max(chunk.len());
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!((lines.len(), lines[lines.len() - 1]), (1205, ""));
        assert!(lines[0].starts_with("id,createdAt,action,outcome,"));
        // Newest first; a page at a time, not all at once.
        assert!(lines[1].contains(",'-2+3,") && lines[2].contains("\"'=HYPERLINK(\"\"http://evil\"\",\"\"x\"\")\""), "{:?}", &lines[..3]);
        assert!(lines[1].ends_with(",\"{\"\"a\"\":1,\"\"b\"\":\"\"x,\\\"\"y\\\"\"\"\"}\""), "{}", lines[1]);
        assert!(largest < text.len() / 2, "{largest} of {}", text.len());
        let rows = entries(&hub, &admin.access_token, "/api/admin/audit?action=audit.exported").await;
        assert_eq!((rows.len(), &rows[0]["details"]["action"]), (1, &json!("test.")));
        hub.finish().await;
    }

    async fn aud_01_refused_calls_leave_one_row_a_minute_for_each_permission(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        for _ in 0..5 {
            hub.get("/api/admin/ledger").bearer(&ada.api_key).send().await.expect(403);
            sibling.get("/api/admin/ledger").bearer(&ada.access_token).send().await.expect(403);
            hub.get("/api/admin/audit").bearer(&ada.access_token).send().await.expect(403);
        }
        let path = "/api/admin/audit?action=access.denied";
        let denied = async || entries(&hub, &admin.access_token, path).await;
        let targets: Vec<Value> = denied().await.iter().map(|row| row["targetId"].clone()).collect();
        assert_eq!(targets, ["audit:read", "ledger:verify"]);
        hub.advance(Duration::seconds(61));
        hub.get("/api/admin/ledger").bearer(&ada.access_token).send().await.expect(403);
        assert_eq!(denied().await.len(), 3);
        // A stranger has no account whose trail it could be.
        hub.get("/api/admin/ledger").send().await.expect(401);
        assert_eq!(denied().await.len(), 3);
        sibling.finish().await;
        hub.finish().await;
    }

    async fn aud_01_roles_given_and_taken_leave_a_row_each(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let caller = hub::first_start::operator().unwrap();
        for _ in 0..2 {
            rbac::assign_role(&hub.hub, &caller, &Origin::default(), ada.id, "manager").await.unwrap();
        }
        rbac::remove_role(&hub.hub, &caller, &Origin::default(), ada.id, "manager").await.unwrap();
        let rows = entries(&hub, &admin.access_token, &format!("/api/admin/audit?action=role.&user={}", ada.id)).await;
        assert_eq!(actions(&rows), ["role.revoked", "role.granted"]);
        assert_eq!(rows[0]["details"]["role"], "manager");
        hub.finish().await;
    }

    async fn rows_are_kept_as_long_as_the_operator_says_and_no_longer(pair: Pair) {
        for (days, left) in [(0, 1), (30, 0)] {
            let hub = TestHub::builder(pair).settings(|settings| settings.audit.keep_days = days).start().await;
            insert(&hub, [row(&hub, "old")]).await;
            jobs::upkeep(&hub.hub).await.unwrap();
            let count = async || {
                let query = audit::Query { text: Some("old".to_owned()), ..audit::Query::default() };
                let caller = hub::first_start::operator().unwrap();
                audit::list(&hub.hub, &caller, &query, None, 10).await.unwrap().len()
            };
            assert_eq!(count().await, 1, "young rows stay");
            hub.advance(Duration::days(45));
            insert(&hub, [row(&hub, "new")]).await;
            jobs::upkeep(&hub.hub).await.unwrap();
            assert_eq!(count().await, left, "after {days} days");
            let all = NewMember { name: "late", role: "admin", credits: Credits::ZERO };
            let admin = hub.member(all).await;
            assert_eq!(entries(&hub, &admin.access_token, "/api/admin/audit?q=new").await.len(), 1);
            hub.finish().await;
        }
    }

    async fn the_address_of_a_row_is_the_clients_and_nobody_chooses_it(pair: Pair) {
        let builder = TestHub::builder(pair);
        let hub = builder.settings(|settings| settings.server.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()]).start().await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let body = json!({ "email": ada.email, "password": "not the right one at all" });
        for (peer, forwarded) in [("10.0.0.1", "6.6.6.6, [2001:db8::7]:443, 10.0.0.2"), ("198.51.100.1", "6.6.6.6")] {
            let login = hub.post("/api/auth/login").from(peer).header("x-forwarded-for", forwarded).header("x-real-ip", "6.6.6.6");
            login.json(&body).send().await.expect(401);
        }
        let rows = entries(&hub, &admin.access_token, "/api/admin/audit?action=auth.login_failed").await;
        assert_eq!((rows[0]["address"].as_str(), rows[1]["address"].as_str()), (Some("198.51.100.1"), Some("2001:db8::7")));
        hub.finish().await;
    }

    async fn aud_01_nobody_changes_the_trail_over_the_api(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        for path in ["/api/admin/audit", "/api/admin/audit.csv", "/api/users/me/audit"] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let answer = hub.request(method.clone(), path).bearer(&admin.access_token).json(&json!({})).send().await;
                assert_eq!(answer.status, 405, "{method} {path}");
            }
        }
        hub.finish().await;
    }

    async fn failed_jobs_are_shown_to_operators_only(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        hub.post("/api/auth/forgot-password").json(&json!({ "email": ada.email })).send().await.expect(202);
        hub.get("/api/admin/jobs").bearer(&ada.access_token).send().await.expect(403);
        let list = |status: &str| hub.get(&format!("/api/admin/jobs{status}")).bearer(&admin.access_token).send();
        assert_eq!(list("").await.expect(200).json()["jobs"], json!([]));
        let queued = list("?status=queued").await.expect(200);
        assert_eq!(queued.json()["jobs"][0]["kind"], "identity.mail_asked");
        assert!(!queued.text().contains("token=") && !queued.text().contains(ada.email.as_str()));
        list("?status=lost").await.expect(400);
        hub.finish().await;
    }
}
