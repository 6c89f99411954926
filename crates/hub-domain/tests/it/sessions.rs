//! Tokens, rotation, reuse, sign-out, tickets.

use chrono::Duration;
use hub_domain::access;
use hub_domain::sessions::{self, LogoutScope, SessionError, Tokens};
use hub_types::Email;
use tokio::task::JoinSet;

use crate::support::{TestHub, ada, origin};

async fn refresh(test: &TestHub, tokens: &Tokens) -> Option<Tokens> {
    sessions::refresh(&test.hub, &origin(), &tokens.refresh_token).await.ok()
}

#[tokio::test]
async fn a_refresh_gives_new_tokens_and_voids_the_old_one() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let first = test.login(&ada()).await;
    let second = refresh(&test, &first).await.unwrap();
    assert_ne!(first.refresh_token, second.refresh_token);
    assert!(test.caller(&second).await.is_some());
    let third = refresh(&test, &second).await.unwrap();
    assert!(refresh(&test, &third).await.is_some());
}

#[tokio::test]
async fn a_lost_answer_is_given_again_for_ten_seconds() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let first = test.login(&ada()).await;
    let second = refresh(&test, &first).await.unwrap();
    test.advance(Duration::seconds(10));
    assert_eq!(refresh(&test, &first).await.unwrap().refresh_token, second.refresh_token);
    assert!(refresh(&test, &second).await.is_some());
}

#[tokio::test]
async fn of_twenty_parallel_refreshes_all_get_the_same_successor() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let first = test.login(&ada()).await;
    let mut racing = JoinSet::new();
    for _ in 0..20 {
        let (hub, token) = (test.hub.clone(), first.refresh_token.clone());
        racing.spawn(async move { sessions::refresh(&hub, &origin(), &token).await.unwrap().refresh_token });
    }
    let mut successors = racing.join_all().await;
    successors.dedup();
    assert_eq!(successors.len(), 1);
}

#[tokio::test]
async fn a_used_token_ends_its_session_and_no_other() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let (phone, laptop) = (test.login(&ada()).await, test.login(&ada()).await);
    let second = refresh(&test, &phone).await.unwrap();
    assert!(test.caller(&second).await.is_some());
    test.advance(Duration::seconds(11));
    assert!(refresh(&test, &phone).await.is_none());
    assert!(refresh(&test, &second).await.is_none());
    assert!(test.caller(&second).await.is_none());
    assert!(test.caller(&laptop).await.is_some());
    assert!(test.audit().await.contains(&"session.reuse_detected".to_owned()));
    assert!(test.mail_to(&ada()).await.unwrap().subject.contains("signed out"));
    let mails = test.mail_count().await;
    assert!(refresh(&test, &phone).await.is_none());
    assert_eq!(test.mail_count().await, mails, "one theft, one notice");
}

#[tokio::test]
async fn a_grandparent_is_reuse_even_within_the_grace_time() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let first = test.login(&ada()).await;
    let second = refresh(&test, &first).await.unwrap();
    let third = refresh(&test, &second).await.unwrap();
    assert!(refresh(&test, &first).await.is_none());
    assert!(refresh(&test, &third).await.is_none());
}

#[tokio::test]
async fn sessions_end_when_idle_and_in_any_case_after_thirty_days() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let (idle, mut used) = (test.login(&ada()).await, test.login(&ada()).await);
    for _ in 0..5 {
        test.advance(Duration::days(6) - Duration::seconds(1));
        used = refresh(&test, &used).await.unwrap();
    }
    assert!(refresh(&test, &idle).await.is_none());
    assert!(used.refresh_expires_in <= 5);
    test.advance(Duration::seconds(5));
    assert!(test.caller(&used).await.is_none(), "the access token ends with its session");
    assert!(refresh(&test, &used).await.is_none());
}

#[tokio::test]
async fn sign_out_ends_this_the_others_or_all() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let (a, b, c) = (test.login(&ada()).await, test.login(&ada()).await, test.login(&ada()).await);
    let caller = test.caller(&a).await.unwrap();
    let seen = sessions::list(&test.hub, &caller).await.unwrap();
    assert_eq!((seen.len(), seen.iter().filter(|device| device.current).count()), (3, 1));
    assert!(seen.iter().all(|device| device.user_agent == "test/1" && device.address == "192.0.2.1"));
    // By refresh token alone, as after the access token ran out.
    sessions::logout(&test.hub, None, &origin(), Some(&b.refresh_token), LogoutScope::This).await.unwrap();
    assert!(test.caller(&b).await.is_none() && test.caller(&c).await.is_some());
    sessions::logout(&test.hub, Some(&caller), &origin(), None, LogoutScope::Others).await.unwrap();
    assert!(test.caller(&c).await.is_none() && test.caller(&a).await.is_some());
    sessions::logout(&test.hub, Some(&caller), &origin(), None, LogoutScope::All).await.unwrap();
    assert!(test.caller(&a).await.is_none() && refresh(&test, &a).await.is_none());
    let nobody = sessions::logout(&test.hub, None, &origin(), Some("rt_nonsense"), LogoutScope::All).await;
    assert!(matches!(nobody, Err(SessionError::Unauthenticated)));
}

#[tokio::test]
async fn a_strangers_session_is_not_found() {
    let test = TestHub::start().await;
    let eve: Email = "eve@example.com".parse().unwrap();
    test.member(&ada()).await;
    test.member(&eve).await;
    let (ada, eve) = (test.login(&ada()).await, test.login(&eve).await);
    let (ada_caller, eve_caller) = (test.caller(&ada).await.unwrap(), test.caller(&eve).await.unwrap());
    let theirs = ada_caller.session().unwrap();
    let foreign = sessions::revoke(&test.hub, &eve_caller, &origin(), theirs).await;
    assert!(matches!(foreign, Err(SessionError::NotFound)));
    assert!(test.caller(&ada).await.is_some());
    sessions::revoke(&test.hub, &ada_caller, &origin(), theirs).await.unwrap();
    assert!(test.caller(&ada).await.is_none());
    assert!(access::recheck(&test.hub, &ada_caller).await.is_err());
}

#[tokio::test]
async fn the_least_used_sessions_end_when_there_are_too_many() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let first = test.login(&ada()).await;
    for _ in 0..50 {
        test.advance(Duration::seconds(1));
        test.login(&ada()).await;
    }
    assert!(test.caller(&first).await.is_none());
}

#[tokio::test]
async fn of_twenty_uses_of_a_ticket_one_opens() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let tokens = test.login(&ada()).await;
    let caller = test.caller(&tokens).await.unwrap();
    let ticket = access::issue_ticket(&test.hub, &caller).await.unwrap();
    let mut racing = JoinSet::new();
    for _ in 0..20 {
        let (hub, ticket) = (test.hub.clone(), ticket.clone());
        racing.spawn(async move { access::redeem_ticket(&hub, &ticket, None).await.is_ok() });
    }
    assert_eq!(racing.join_all().await.into_iter().filter(|won| *won).count(), 1);
    let late = access::issue_ticket(&test.hub, &caller).await.unwrap();
    test.advance(Duration::seconds(30));
    assert!(access::redeem_ticket(&test.hub, &late, None).await.is_err());
    assert!(access::token_is_plausible(&test.hub, &tokens.access_token));
    assert!(!access::token_is_plausible(&test.hub, "a.b.c"));
}
