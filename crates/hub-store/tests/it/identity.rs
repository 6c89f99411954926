//! Users, roles, sessions, one-time secrets, keys, audit rows.

use chrono::Duration;
use hub_store::invites;
use hub_store::keys::{self, NewKey};
use hub_store::sessions::{self, NewSession, Rotation};
use hub_store::users::{self, NewUser, UserStatus};
use hub_store::verifications::{self, Attempt, CodeAttempt, NewVerification, Purpose};
use hub_store::{Store, Tx, audit, permissions, roles};
use hub_types::{
    ApiKeyId, AuditId, Clock, Email, KeyLimits, Permission, SessionId, SystemRole, Timestamp, UserId, VerificationId,
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{clock, migrated_again, now};

fn ada() -> Email {
    "ada@example.com".parse().unwrap()
}

async fn make_user(tx: &mut Tx, email: &Email) -> UserId {
    let id = UserId::new(&clock());
    let new = NewUser { id, email, name: "Ada", password_hash: Some("hash"), verified: true, at: now() };
    assert!(users::insert(tx, &new).await.unwrap());
    id
}

async fn user(store: &Store) -> UserId {
    let mut tx = store.write().await.unwrap();
    let id = make_user(&mut tx, &ada()).await;
    tx.commit().await.unwrap();
    id
}

async fn session(store: &Store, user: UserId) -> SessionId {
    let id = SessionId::new(&clock());
    let new = NewSession {
        id,
        user,
        salt: b"sixteen bytes :)",
        at: now(),
        idle_expires_at: now() + Duration::days(7),
        expires_at: now() + Duration::days(30),
        user_agent: "test",
        address: "127.0.0.1",
    };
    let mut tx = store.write().await.unwrap();
    sessions::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn secret(store: &Store, hash: &[u8], code: Option<&[u8]>, at: Timestamp) {
    let new = NewVerification {
        id: VerificationId::new(&clock()),
        purpose: Purpose::Register,
        email: &ada(),
        user: None,
        secret_hash: hash,
        code_hash: code,
        payload: &json!({"name": "Ada"}),
        at,
        expires_at: at + Duration::hours(24),
    };
    let mut tx = store.write().await.unwrap();
    verifications::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
}

async fn try_code(store: &Store, code: &[u8], at: Timestamp) -> Attempt {
    let attempt = CodeAttempt {
        email: &ada(),
        purpose: Purpose::Register,
        code_hash: code,
        at,
        made_after: at - Duration::minutes(10),
        max_attempts: 5,
    };
    let mut tx = store.write().await.unwrap();
    let outcome = verifications::try_code(&mut tx, &attempt).await.unwrap();
    tx.commit().await.unwrap();
    outcome
}

/// Runs 20 copies at once and counts those that say they won.
async fn winners<F>(store: &Store, attempt: impl Fn(Store) -> F) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let mut racing = JoinSet::new();
    for _ in 0..20 {
        racing.spawn(attempt(store.clone()));
    }
    racing.join_all().await.into_iter().filter(|won| *won).count()
}

fn rotation(counter: i64, at: Timestamp) -> Rotation<'static> {
    Rotation { counter, at, idle_expires_at: at + Duration::days(7), user_agent: "test", address: "::1" }
}

both! {
    async fn an_address_is_taken_once(store: Store) {
        let mut tx = store.write().await.unwrap();
        let id = make_user(&mut tx, &ada()).await;
        let twin = NewUser { id: UserId::new(&clock()), email: &ada(), name: "", password_hash: None, verified: false, at: now() };
        assert!(!users::insert(&mut tx, &twin).await.unwrap());
        let found = users::by_email(&mut tx, &ada()).await.unwrap().unwrap();
        assert_eq!((found.id, found.verified, found.auth_version, found.created_at), (id, true, 1, now()));
        assert!(users::add_identity(&mut tx, id, "google", "42", None, now()).await.unwrap());
        assert!(!users::add_identity(&mut tx, id, "google", "42", None, now()).await.unwrap());
    }

    async fn password_and_status_changes_void_what_was_issued(store: Store) {
        let id = user(&store).await;
        let mut tx = store.write().await.unwrap();
        assert!(users::set_password(&mut tx, id, "newer", now()).await.unwrap());
        assert!(users::set_status(&mut tx, id, UserStatus::Disabled, now()).await.unwrap());
        assert!(!users::set_status(&mut tx, id, UserStatus::Disabled, now()).await.unwrap());
        assert!(!users::rehash(&mut tx, id, "hash", "stale", now()).await.unwrap());
        let found = users::by_id(&mut tx, id).await.unwrap().unwrap();
        assert_eq!((found.auth_version, found.is_usable(), found.password_hash.as_deref()), (3, false, Some("newer")));
    }

    async fn roles_that_are_older_than_buying_get_it_once_unless_somebody_changed_them(store: Store) {
        let held = async |name: &str| {
            let mut tx = store.read().await.unwrap();
            let role = roles::by_name(&mut tx, name).await.unwrap().unwrap();
            roles::permissions_of_role(&mut tx, role.id).await.unwrap().contains(&"credits:purchase".to_owned())
        };
        // A new hub has it from the seed, and an operator of such a hub takes it away for good.
        let mut tx = store.write().await.unwrap();
        let manager = roles::by_name(&mut tx, "manager").await.unwrap().unwrap();
        roles::deny(&mut tx, manager.id, "credits:purchase").await.unwrap();
        tx.commit().await.unwrap();
        migrated_again(&store, 23).await;
        assert_eq!((held("user").await, held("manager").await, held("guest").await), (true, false, false));

        // An old hub: its roles are from before there was anything to buy. One of them was changed since.
        let mut tx = store.write().await.unwrap();
        let bought = permissions::list(&mut tx).await.unwrap().into_iter().find(|one| one.name == "credits:purchase").unwrap();
        permissions::delete(&mut tx, bought.id).await.unwrap();
        roles::deny(&mut tx, manager.id, "users:read").await.unwrap();
        tx.commit().await.unwrap();
        migrated_again(&store, 23).await;
        assert_eq!((held("user").await, held("manager").await, held("guest").await), (true, false, false));
        let mut tx = store.write().await.unwrap();
        roles::allow(&mut tx, &manager, "users:read", now()).await.unwrap();
        let user = roles::by_name(&mut tx, "user").await.unwrap().unwrap();
        roles::deny(&mut tx, user.id, "credits:purchase").await.unwrap();
        tx.commit().await.unwrap();
        // Once: what is taken away afterwards is not given again.
        store.migrate(now()).await.unwrap();
        assert!(!held("user").await && !held("manager").await);

        // As the permission was made by a program in between, which seeded it without giving it to anybody.
        let later = Clock::fixed_at("2026-11-25T10:00:00Z");
        let mut tx = store.write().await.unwrap();
        let bought = permissions::list(&mut tx).await.unwrap().into_iter().find(|one| one.name == "credits:purchase").unwrap();
        permissions::delete(&mut tx, bought.id).await.unwrap();
        roles::seed(&mut tx, &later).await.unwrap();
        tx.commit().await.unwrap();
        assert!(!held("user").await && !held("manager").await);
        migrated_again(&store, 23).await;
        assert_eq!((held("user").await, held("manager").await, held("guest").await), (true, true, false));
    }

    async fn seeding_again_keeps_an_operators_changes_and_completes_admin(store: Store) {
        let id = user(&store).await;
        let mut tx = store.write().await.unwrap();
        let (user_role, admin) = (roles::by_name(&mut tx, "user").await.unwrap().unwrap(), roles::by_name(&mut tx, "admin").await.unwrap().unwrap());
        assert!(roles::assign(&mut tx, id, user_role.id, None, now()).await.unwrap());
        assert!(!roles::assign(&mut tx, id, user_role.id, None, now()).await.unwrap());
        let before = roles::permissions_of(&mut tx, id).await.unwrap();
        assert_eq!(before.len(), SystemRole::User.permissions().len());
        roles::seed(&mut tx, &clock()).await.unwrap();
        assert_eq!(roles::permissions_of(&mut tx, id).await.unwrap(), before);
        assert!(roles::assign(&mut tx, id, admin.id, Some(id), now()).await.unwrap());
        assert_eq!(roles::permissions_of(&mut tx, id).await.unwrap().len(), Permission::ALL.len());
        assert_eq!(roles::names_of(&mut tx, id).await.unwrap(), ["admin", "user"]);
        assert_eq!(roles::count_holders(&mut tx, admin.id).await.unwrap(), 1);
        assert!(roles::unassign(&mut tx, id, admin.id).await.unwrap());
        assert_eq!(roles::list(&mut tx).await.unwrap().len(), 4);
    }

    async fn of_twenty_refreshes_with_one_token_one_wins(store: Store) {
        let id = user(&store).await;
        let device = session(&store, id).await;
        let won = winners(&store, |store| async move {
            let mut tx = store.write().await.unwrap();
            let swapped = sessions::rotate(&mut tx, device, &rotation(0, now())).await.unwrap();
            tx.commit().await.unwrap();
            swapped.is_some_and(|session| session.refresh_counter == 1)
        });
        assert_eq!(won.await, 1);
    }

    async fn a_session_of_somebody_who_acts_is_neither_refreshed_nor_proven(store: Store) {
        let id = user(&store).await;
        let new = NewSession {
            id: SessionId::new(&clock()), user: id, salt: b"sixteen bytes :)", at: now(), idle_expires_at: now() + Duration::minutes(15),
            expires_at: now() + Duration::minutes(15), user_agent: "test", address: "127.0.0.1",
        };
        let mut tx = store.write().await.unwrap();
        sessions::insert_acting(&mut tx, &new, id).await.unwrap();
        let found = sessions::by_id(&mut tx, new.id).await.unwrap().unwrap();
        assert_eq!((found.actor(), found.authenticated_at, found.is_live(now())), (Some(id), Timestamp::UNIX_EPOCH, true));
        let to = Rotation { counter: 0, at: now(), idle_expires_at: now() + Duration::days(7), user_agent: "x", address: "x" };
        assert!(sessions::rotate(&mut tx, new.id, &to).await.unwrap().is_none());
        assert!(!sessions::reauthenticate(&mut tx, new.id, id, now()).await.unwrap());
        assert_eq!(sessions::revoke_all(&mut tx, id, None, "off", now()).await.unwrap(), [new.id]);
    }

    async fn of_twenty_withdrawals_of_an_open_invitation_one_wins(store: Store) {
        let id = VerificationId::new(&clock());
        let email: Email = "new@example.com".parse().unwrap();
        let until = now() + Duration::days(7);
        let new = NewVerification {
            id, purpose: Purpose::Invite, email: &email, user: None, secret_hash: b"i", code_hash: None,
            payload: &json!({ "role": "user" }), at: now(), expires_at: until,
        };
        let mut tx = store.write().await.unwrap();
        verifications::insert(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        // Secrets of other purposes are no invitations.
        secret(&store, b"r", None, now()).await;
        let mut tx = store.read().await.unwrap();
        let listed = invites::list(&mut tx, now(), None, 10).await.unwrap();
        assert_eq!((listed.len(), listed[0].id, listed[0].expires_at), (1, id, until));
        assert_eq!(invites::count(&mut tx, now()).await.unwrap(), 1);
        assert!(invites::list(&mut tx, now(), Some(id), 10).await.unwrap().is_empty());
        assert!(invites::by_id(&mut tx, id, until).await.unwrap().is_none(), "it has run out then");
        drop(tx);
        let won = winners(&store, move |store| async move {
            let mut tx = store.write().await.unwrap();
            let won = invites::withdraw(&mut tx, id, now()).await.unwrap();
            tx.commit().await.unwrap();
            won
        });
        assert_eq!(won.await, 1);
        let mut tx = store.write().await.unwrap();
        assert!(verifications::consume(&mut tx, Purpose::Invite, b"i", now()).await.unwrap().is_none());
    }

    async fn who_holds_a_role_is_found_by_what_they_come_in_with(store: Store) {
        let id = user(&store).await;
        let device = session(&store, id).await;
        let mut tx = store.write().await.unwrap();
        roles::seed(&mut tx, &clock()).await.unwrap();
        let (held, other) = (roles::by_name(&mut tx, "user").await.unwrap().unwrap(), roles::by_name(&mut tx, "guest").await.unwrap().unwrap());
        roles::assign(&mut tx, id, held.id, None, now()).await.unwrap();
        assert_eq!(sessions::live_of_role(&mut tx, held.id, now(), 10).await.unwrap(), [device]);
        assert!(sessions::live_of_role(&mut tx, other.id, now(), 10).await.unwrap().is_empty());
        assert!(sessions::live_of_role(&mut tx, held.id, now() + Duration::days(8), 10).await.unwrap().is_empty());
        assert!(keys::live_of_role(&mut tx, held.id, 10).await.unwrap().is_empty());
    }

    async fn an_ended_session_cannot_be_refreshed(store: Store) {
        let id = user(&store).await;
        let (idle, absolute, revoked) = (session(&store, id).await, session(&store, id).await, session(&store, id).await);
        let mut tx = store.write().await.unwrap();
        assert!(sessions::rotate(&mut tx, idle, &rotation(0, now() + Duration::days(7))).await.unwrap().is_none());
        let mut late = rotation(0, now() + Duration::days(6));
        late.idle_expires_at = now() + Duration::days(99);
        assert!(sessions::rotate(&mut tx, absolute, &late).await.unwrap().is_some());
        assert!(sessions::rotate(&mut tx, absolute, &rotation(1, now() + Duration::days(30))).await.unwrap().is_none());
        assert!(sessions::revoke(&mut tx, revoked, id, "logout", now()).await.unwrap());
        assert!(sessions::rotate(&mut tx, revoked, &rotation(0, now())).await.unwrap().is_none());
        assert!(!sessions::revoke(&mut tx, idle, UserId::new(&clock()), "theft", now()).await.unwrap());
    }

    async fn sessions_end_all_but_one_and_oldest_first(store: Store) {
        let id = user(&store).await;
        let (first, second, third) = (session(&store, id).await, session(&store, id).await, session(&store, id).await);
        let mut tx = store.write().await.unwrap();
        assert_eq!(sessions::revoke_oldest(&mut tx, id, 2, now()).await.unwrap(), [first]);
        assert_eq!(sessions::revoke_all(&mut tx, id, Some(third), "others", now()).await.unwrap(), [second]);
        let live: Vec<_> = sessions::live_of(&mut tx, id, now(), 10).await.unwrap().iter().map(|s| s.id).collect();
        assert_eq!(live, [third]);
        assert_eq!(sessions::prune(&mut tx, now() + Duration::seconds(1), 10).await.unwrap(), 2);
    }

    async fn of_twenty_right_codes_one_wins(store: Store) {
        secret(&store, b"secret", Some(b"right"), now()).await;
        let won = winners(&store, |store| async move { matches!(try_code(&store, b"right", now()).await, Attempt::Consumed(_)) });
        assert_eq!(won.await, 1);
    }

    async fn of_twenty_wrong_codes_five_are_tried_and_then_the_right_one_is_refused(store: Store) {
        secret(&store, b"secret", Some(b"right"), now()).await;
        let tried = winners(&store, |store| async move { matches!(try_code(&store, b"wrong", now()).await, Attempt::Wrong) });
        assert_eq!(tried.await, 5);
        assert!(matches!(try_code(&store, b"right", now()).await, Attempt::Dead));
    }

    async fn only_the_newest_code_counts_and_only_for_ten_minutes(store: Store) {
        secret(&store, b"one", Some(b"old"), now()).await;
        secret(&store, b"two", Some(b"new"), now() + Duration::seconds(1)).await;
        let later = now() + Duration::minutes(1);
        assert!(matches!(try_code(&store, b"old", later).await, Attempt::Wrong));
        assert!(matches!(try_code(&store, b"new", now() + Duration::minutes(11)).await, Attempt::Dead));
        assert!(matches!(try_code(&store, b"new", later).await, Attempt::Consumed(_)));
    }

    async fn of_twenty_clicks_on_a_link_one_wins(store: Store) {
        secret(&store, b"secret", None, now()).await;
        let won = winners(&store, |store| async move {
            let mut tx = store.write().await.unwrap();
            let found = verifications::consume(&mut tx, Purpose::Register, b"secret", now()).await.unwrap();
            tx.commit().await.unwrap();
            found.is_some_and(|found| found.email == ada() && found.payload["name"] == "Ada")
        });
        assert_eq!(won.await, 1);
    }

    async fn a_link_is_bound_to_its_purpose_its_time_and_its_successor(store: Store) {
        secret(&store, b"secret", None, now()).await;
        let mut tx = store.write().await.unwrap();
        assert!(verifications::consume(&mut tx, Purpose::ResetPassword, b"secret", now()).await.unwrap().is_none());
        assert!(verifications::consume(&mut tx, Purpose::Register, b"secret", now() + Duration::hours(24)).await.unwrap().is_none());
        assert_eq!(verifications::count_since(&mut tx, &ada(), Purpose::Register, now() - Duration::hours(1)).await.unwrap(), 1);
        verifications::supersede(&mut tx, &ada(), Purpose::Register, now()).await.unwrap();
        assert!(verifications::consume(&mut tx, Purpose::Register, b"secret", now()).await.unwrap().is_none());
        assert!(verifications::newest(&mut tx, &ada(), Purpose::Register).await.unwrap().is_some_and(|v| v.used_at.is_some()));
        assert_eq!(verifications::prune(&mut tx, now() + Duration::days(2), 10).await.unwrap(), 1);
    }

    async fn of_twenty_keys_over_the_cap_none_gets_in(store: Store) {
        let id = user(&store).await;
        let made = winners(&store, move |store| async move {
            let key = ApiKeyId::new(&Clock::fixed(now()));
            let new = NewKey {
                id: key, user: id, name: "ci", hash: key.0.as_bytes(), prefix: "sk_abcdefghi", scopes: &["models:read".to_owned()],
                models: &[], addresses: &["10.0.0.0/8".to_owned()], at: now(), expires_at: None,
                line: key, limits: KeyLimits::default(), cap: 3,
            };
            let mut tx = store.write().await.unwrap();
            assert!(users::lock(&mut tx, id).await.unwrap());
            let made = keys::insert(&mut tx, &new).await.unwrap();
            tx.commit().await.unwrap();
            made
        });
        assert_eq!(made.await, 3);
        let mut tx = store.write().await.unwrap();
        let page = keys::list(&mut tx, id, None, 2).await.unwrap();
        assert!(page.len() == 2 && page[0].id > page[1].id);
        assert_eq!(keys::list(&mut tx, id, Some(page[1].id), 2).await.unwrap().len(), 1);
        assert_eq!(page[0].scopes, ["models:read"]);
        assert!(keys::by_hash(&mut tx, page[0].id.0.as_bytes()).await.unwrap().is_some_and(|key| key.id == page[0].id));
        assert!(keys::revoke(&mut tx, page[0].id, UserId::new(&clock()), now()).await.unwrap().is_none());
        assert_eq!(keys::revoke(&mut tx, page[0].id, id, now()).await.unwrap(), Some((page[0].id.0.as_bytes().to_vec(), "sk_abcdefghi".to_owned())));
        assert_eq!(keys::count(&mut tx, id).await.unwrap(), 2);
    }

    async fn the_use_of_a_key_is_noted_once_a_minute(store: Store) {
        let id = user(&store).await;
        let key = ApiKeyId::new(&clock());
        let new = NewKey {
            id: key, user: id, name: "ci", hash: b"hash", prefix: "sk_", scopes: &[], models: &[], addresses: &[], at: now(),
            expires_at: None, line: key, limits: KeyLimits::default(), cap: 1,
        };
        let mut tx = store.write().await.unwrap();
        assert!(keys::insert(&mut tx, &new).await.unwrap());
        let minute = Duration::minutes(1);
        assert!(keys::touch(&mut tx, key, now(), now() - minute).await.unwrap());
        let soon = now() + Duration::seconds(59);
        assert!(!keys::touch(&mut tx, key, soon, soon - minute).await.unwrap());
        let later = now() + Duration::seconds(61);
        assert!(keys::touch(&mut tx, key, later, later - minute).await.unwrap());
    }

    async fn audit_rows_page_from_new_to_old(store: Store) {
        let id = user(&store).await;
        let mut tx = store.write().await.unwrap();
        let entry = |action: &str| audit::Entry {
            id: AuditId::new(&clock()), at: now(), action: action.to_owned(), outcome: "ok".to_owned(), actor: Some(id),
            actor_email: "ada@example.com".to_owned(), target_kind: "user".to_owned(), target_id: id.to_string(), user: Some(id),
            address: String::new(), user_agent: String::new(), request_id: "r".to_owned(), details: json!({"n": 1}),
        };
        let (first, second) = (entry("auth.login"), entry("auth.logout"));
        audit::insert(&mut tx, &first).await.unwrap();
        audit::insert(&mut tx, &second).await.unwrap();
        let start = (now() + Duration::hours(1), AuditId::new(&clock()));
        let page = audit::of_user(&mut tx, id, start, 1).await.unwrap();
        assert_eq!(page, [second]);
        assert_eq!(audit::of_user(&mut tx, id, (page[0].at, page[0].id), 5).await.unwrap(), [first]);
        assert_eq!(audit::list(&mut tx, &audit::Filter::default(), start, 5).await.unwrap().len(), 2);
    }
}
