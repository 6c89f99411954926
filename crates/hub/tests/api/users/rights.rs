//! Who may change whom. RBA-05 of the security requirements.

use futures::future::join_all;
use hub_domain::rbac::{self, RightsError};
use hub_domain::users::{self, Change, UserStatus};
use hub_testkit::{TestHub, on_both_pairs};
use hub_types::Origin;
use serde_json::json;

use super::{actions, delete, get, grant, holder, patch, restore, revoke, trail};

on_both_pairs! {
    async fn rba_05_two_administrators_at_once_cannot_leave_the_hub_without_one(pair: Pair) {
        for how in ["role", "status", "account"] {
            let hub = TestHub::start(pair).await;
            let twin = hub.sibling().await;
            let (ann, ben) = (holder(&hub, "ann", "admin").await, holder(&hub, "ben", "admin").await);
            let attempts = (0..20).map(|n| {
                let place = if n % 4 < 2 { &hub } else { &twin };
                let (who, whom) = if n % 2 == 0 { (&ann, &ben) } else { (&ben, &ann) };
                async move {
                    let answer = match how {
                        "role" => revoke(place, who, whom, "admin").await,
                        "status" => patch(place, who, whom, &json!({ "status": "disabled" })).await,
                        _ => delete(place, who, whom).await,
                    };
                    (n % 2, answer.status.as_u16())
                }
            });
            let answers = join_all(attempts).await;
            let won = |who: i32| answers.iter().any(|(by, status)| *by == who && matches!(status, 200 | 204));
            assert!(won(0) != won(1), "one of them, not both: {answers:?}");
            let survivor = if won(0) { &ann } else { &ben };
            let left = get(&hub, survivor, "/api/users?role=admin&status=active").await.expect(200).json();
            assert_eq!((&left["total"], &left["users"][0]["id"]), (&json!(1), &json!(survivor.id)));
            // Nobody steps down by themselves, and the command line cannot take the last one either.
            revoke(&hub, survivor, survivor, "admin").await.expect(403);
            delete(&hub, survivor, survivor).await.expect(403);
            patch(&hub, survivor, survivor, &json!({ "status": "disabled" })).await.expect(403);
            let (operator, origin) = (hub::first_start::operator().unwrap(), Origin::default());
            let role = rbac::remove_role(&hub.hub, &operator, &origin, survivor.id, "admin").await;
            let account = users::remove(&hub.hub, &operator, &origin, survivor.id).await;
            let off = Change { status: Some(UserStatus::Disabled), ..Change::default() };
            let status = users::change(&hub.hub, &operator, &origin, survivor.id, off).await;
            for refused in [role.map(drop), account, status.map(drop)] {
                assert!(matches!(refused, Err(RightsError::LastAdmin)), "{refused:?}");
            }
            get(&hub, survivor, "/api/users").await.expect(200);
            twin.finish().await;
            hub.finish().await;
        }
    }

    async fn rba_05_roles_are_given_and_taken_with_rows_and_at_once(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let (admin, ada, bob) = (hub.admin().await, hub.user("ada").await, hub.user("bob").await);
        let balance_of_bob = format!("/api/credits/balance?userId={}", bob.id);
        get(&twin, &ada, "/api/users").await.expect(403);
        grant(&hub, &admin, &ada, "manager").await.expect(204);
        grant(&hub, &admin, &ada, "manager").await.expect(204);
        hub.advance(chrono::Duration::seconds(2));
        assert_eq!(super::me(&twin, &ada.access_token).await, 401, "tokens with the old rights are void");
        twin.get(&balance_of_bob).bearer(&ada.api_key).send().await.expect(200);
        let held = get(&hub, &admin, &format!("/api/users/{}/roles", ada.id)).await.expect(200).json();
        let names: Vec<&str> = held["roles"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
        assert_eq!((names, &held["roles"][0]["rank"], &held["roles"][0]["system"]), (vec!["manager", "user"], &json!(20), &json!(true)));
        revoke(&hub, &admin, &ada, "manager").await.expect(204);
        revoke(&hub, &admin, &ada, "manager").await.expect(404);
        revoke(&hub, &admin, &ada, "emperor").await.expect(404);
        grant(&hub, &admin, &ada, "emperor").await.expect(400);
        hub.advance(chrono::Duration::seconds(2));
        twin.get(&balance_of_bob).bearer(&ada.api_key).send().await.expect(404);
        assert_eq!(actions(&trail(&hub, &admin, &ada, "role.").await), ["role.revoked", "role.granted"]);
        // Members and managers change nobody.
        let manager = hub.manager().await;
        for who in [&bob, &manager] {
            grant(&hub, who, &ada, "admin").await.expect(403);
            grant(&hub, who, who, "admin").await.expect(403);
            patch(&hub, who, &ada, &json!({ "status": "disabled" })).await.expect(403);
            delete(&hub, who, &ada).await.expect(403);
            restore(&hub, who, &ada).await.expect(403);
        }
        twin.finish().await;
        hub.finish().await;
    }
}
