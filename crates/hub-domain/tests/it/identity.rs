//! Registration, sign-in, reset.

use chrono::Duration;
use hub_domain::access;
use hub_domain::identity::{self, LinkError, LoginError, MailboxProof, OperatorError, Register, RegisterError};
use hub_domain::rbac::{self, RightsError};
use hub_types::{Email, Permission};
use tokio::task::JoinSet;

use crate::support::{PASSWORD, TestHub, ada, code_in, origin, token_in};

#[tokio::test]
async fn a_registration_becomes_an_account_only_when_the_mailbox_is_proven() {
    let test = TestHub::start().await;
    let mail = test.register(&ada(), PASSWORD).await;
    assert!(matches!(test.try_login(&ada(), PASSWORD).await, Err(LoginError::Invalid)));
    assert!(test.verify(&ada(), &code_in(&mail)).await);
    let tokens = test.login(&ada()).await;
    assert_eq!((tokens.expires_in, tokens.refresh_expires_in), (900, 7 * 86_400));
    let caller = test.caller(&tokens).await.unwrap();
    assert!(caller.verified && caller.name == "Ada" && *caller.roles == ["user"]);
    assert!(caller.may(Permission::InferenceCreate) && !caller.may(Permission::CreditsGrant));
    assert_eq!(test.audit().await, ["auth.login_failed", "user.registered", "auth.login"]);
    assert!(!test.verify(&ada(), &code_in(&mail)).await, "a code works once");
}

#[tokio::test]
async fn the_link_works_like_the_code_and_only_the_newest_counts() {
    let test = TestHub::start().await;
    let first = test.register(&ada(), "First passphrase of the attacker").await;
    let second = test.register(&ada(), PASSWORD).await;
    let link = |mail| MailboxProof::Token(token_in(mail));
    assert!(identity::verify_email(&test.hub, &origin(), link(&first)).await.is_err());
    assert!(identity::verify_email(&test.hub, &origin(), link(&second)).await.is_ok());
    assert!(test.try_login(&ada(), "First passphrase of the attacker").await.is_err());
    test.login(&ada()).await;
}

#[tokio::test]
async fn of_twenty_parallel_proofs_one_makes_the_account() {
    let test = TestHub::start().await;
    let mail = test.register(&ada(), PASSWORD).await;
    let mut racing = JoinSet::new();
    for _ in 0..20 {
        let (hub, code) = (test.hub.clone(), code_in(&mail));
        racing.spawn(async move {
            let proof = MailboxProof::Code { email: ada(), code };
            identity::verify_email(&hub, &origin(), proof).await.is_ok()
        });
    }
    assert_eq!(racing.join_all().await.into_iter().filter(|won| *won).count(), 1);
}

#[tokio::test]
async fn five_wrong_codes_burn_the_code_and_a_new_one_works() {
    let test = TestHub::start().await;
    let mail = test.register(&ada(), PASSWORD).await;
    let right = code_in(&mail);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert!(!test.verify(&ada(), wrong).await);
    }
    assert!(!test.verify(&ada(), &right).await);
    identity::resend_verification(&test.hub, &origin(), &ada()).await.unwrap();
    let again = test.mail_to(&ada()).await.unwrap();
    test.advance(Duration::minutes(9));
    assert!(test.verify(&ada(), &code_in(&again)).await);
}

#[tokio::test]
async fn a_code_lives_ten_minutes_and_mails_are_counted() {
    let test = TestHub::start().await;
    let mail = test.register(&ada(), PASSWORD).await;
    test.advance(Duration::minutes(10));
    assert!(!test.verify(&ada(), &code_in(&mail)).await);
    for _ in 0..10 {
        identity::resend_verification(&test.hub, &origin(), &ada()).await.unwrap();
    }
    assert_eq!(test.mail_count().await, 4, "the registration's mail and three more");
    identity::resend_verification(&test.hub, &origin(), &"nobody@example.com".parse().unwrap()).await.unwrap();
    assert_eq!(test.mail_count().await, 4);
}

#[tokio::test]
async fn registering_a_known_address_looks_the_same_and_tells_its_owner() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let mail = test.register(&ada(), "Another good passphrase").await;
    assert!(mail.subject.contains("have an account"), "{}", mail.subject);
    assert!(!mail.text.contains("Ada"), "a stranger's text is not mailed");
    test.login(&ada()).await;
    assert!(test.try_login(&ada(), "Another good passphrase").await.is_err());
}

#[tokio::test]
async fn weak_and_impossible_passwords_are_refused_before_anything_is_stored() {
    let test = TestHub::start().await;
    let register = |password: &str| Register { email: ada(), password: password.to_owned(), name: String::new() };
    for weak in ["short1!", "Password1!", "adA@example.com1!"] {
        assert!(matches!(identity::register(&test.hub, register(weak)).await, Err(RegisterError::Weak(_))), "{weak}");
    }
    let long = "x".repeat(129);
    assert!(matches!(identity::register(&test.hub, register(&long)).await, Err(RegisterError::Password(_))));
    assert_eq!(test.mail_count().await, 0);
}

#[tokio::test]
async fn the_tenth_failure_closes_the_account_to_that_address_for_a_while() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let live = test.login(&ada()).await;
    for _ in 0..9 {
        assert!(matches!(test.try_login(&ada(), "wrong").await, Err(LoginError::Invalid)));
    }
    let Err(LoginError::Throttled(wait)) = test.try_login(&ada(), "wrong").await else { panic!("not throttled") };
    assert!(wait.as_secs() > 800 && wait.as_secs() <= 900);
    assert!(matches!(test.try_login(&ada(), PASSWORD).await, Err(LoginError::Throttled(_))));
    assert!(test.caller(&live).await.is_some(), "live sessions are not touched");
    let mut elsewhere = origin();
    elsewhere.address = "198.51.100.7".to_owned();
    let input = identity::Login { email: ada(), password: PASSWORD.to_owned(), totp: None };
    assert!(identity::login(&test.hub, &elsewhere, input).await.is_ok(), "the owner at home is not locked out");
    test.advance(Duration::minutes(15));
    test.login(&ada()).await;
}

#[tokio::test]
async fn unknown_addresses_are_throttled_like_known_ones() {
    let test = TestHub::start().await;
    let nobody: Email = "nobody@example.com".parse().unwrap();
    for _ in 0..9 {
        assert!(matches!(test.try_login(&nobody, "wrong").await, Err(LoginError::Invalid)));
    }
    assert!(matches!(test.try_login(&nobody, "wrong").await, Err(LoginError::Throttled(_))));
}

#[tokio::test]
async fn a_reset_works_once_signs_everybody_out_and_tells_the_owner() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let before = test.login(&ada()).await;
    identity::forgot_password(&test.hub, &origin(), &ada()).await.unwrap();
    let older = token_in(&test.mail_to(&ada()).await.unwrap());
    identity::forgot_password(&test.hub, &origin(), &ada()).await.unwrap();
    let token = token_in(&test.mail_to(&ada()).await.unwrap());
    let reset =
        async |token: &str, password: &str| identity::reset_password(&test.hub, &origin(), token, password).await;
    assert!(matches!(reset(&older, "A better passphrase").await, Err(LinkError::Invalid)));
    assert!(matches!(reset(&token, "Password1!").await, Err(LinkError::Weak(_))));
    reset(&token, "A better passphrase").await.unwrap();
    assert!(matches!(reset(&token, "A third passphrase").await, Err(LinkError::Invalid)));
    assert!(test.caller(&before).await.is_none());
    assert!(hub_domain::sessions::refresh(&test.hub, &origin(), &before.refresh_token).await.is_err());
    assert!(test.try_login(&ada(), PASSWORD).await.is_err());
    assert!(test.try_login(&ada(), "A better passphrase").await.is_ok());
    assert!(test.mail_to(&ada()).await.unwrap().subject.contains("was changed"));
}

#[tokio::test]
async fn of_twenty_parallel_resets_one_wins() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    identity::forgot_password(&test.hub, &origin(), &ada()).await.unwrap();
    let token = token_in(&test.mail_to(&ada()).await.unwrap());
    let mut racing = JoinSet::new();
    for attempt in 0..20 {
        let (hub, token) = (test.hub.clone(), token.clone());
        racing.spawn(async move {
            identity::reset_password(&hub, &origin(), &token, &format!("A better passphrase {attempt}")).await.is_ok()
        });
    }
    assert_eq!(racing.join_all().await.into_iter().filter(|won| *won).count(), 1);
}

#[tokio::test]
async fn resets_are_for_real_accounts_run_out_and_are_counted() {
    let test = TestHub::start().await;
    test.register(&"pending@example.com".parse().unwrap(), PASSWORD).await;
    test.member(&ada()).await;
    let mails = test.mail_count().await;
    for email in ["nobody@example.com", "pending@example.com"] {
        identity::forgot_password(&test.hub, &origin(), &email.parse().unwrap()).await.unwrap();
    }
    assert_eq!(test.mail_count().await, mails);
    for _ in 0..5 {
        identity::forgot_password(&test.hub, &origin(), &ada()).await.unwrap();
    }
    assert_eq!(test.mail_count().await, mails + 3);
    let token = token_in(&test.mail_to(&ada()).await.unwrap());
    test.advance(Duration::minutes(30));
    let late = identity::reset_password(&test.hub, &origin(), &token, "A better passphrase").await;
    assert!(matches!(late, Err(LinkError::Invalid)));
}

#[tokio::test]
async fn the_operator_makes_accounts_and_roles_act_at_once() {
    let test = TestHub::start().await;
    let operator = access::operator("operator@localhost".parse().unwrap());
    assert!(!identity::has_admin(&test.hub).await.unwrap());
    let boss: Email = "boss@example.com".parse().unwrap();
    let made = identity::admin_create_user(&test.hub, &operator, &boss, None, "admin", "Boss").await.unwrap();
    assert!(identity::has_admin(&test.hub).await.unwrap());
    let again = identity::admin_create_user(&test.hub, &operator, &boss, None, "admin", "").await;
    assert!(matches!(again, Err(OperatorError::Taken)));
    let unknown = identity::admin_create_user(&test.hub, &operator, &ada(), None, "emperor", "").await;
    assert!(matches!(unknown, Err(OperatorError::UnknownRole)));
    assert!(identity::find_by_email(&test.hub, &ada()).await.unwrap().is_none(), "nothing is left of a refused wish");

    let boss = test.try_login(&boss, made.password.as_deref().unwrap()).await.unwrap();
    let boss = test.caller(&boss).await.unwrap();
    test.member(&ada()).await;
    let tokens = test.login(&ada()).await;
    let member = test.caller(&tokens).await.unwrap();
    let assign = async |caller, user, role| rbac::assign_role(&test.hub, caller, &origin(), user, role).await;
    assert!(matches!(assign(&member, boss.user, "guest").await, Err(RightsError::Denied(_))));
    assert!(matches!(assign(&boss, boss.user, "manager").await, Err(RightsError::Own)));
    assert!(matches!(assign(&boss, member.user, "emperor").await, Err(RightsError::UnknownRole)));
    assert!(assign(&boss, member.user, "manager").await.unwrap());
    assert!(test.caller(&tokens).await.is_none(), "tokens with the old rights are void at once");
    let newer = hub_domain::sessions::refresh(&test.hub, &origin(), &tokens.refresh_token).await.unwrap();
    let manager = test.caller(&newer).await.unwrap();
    assert!(manager.may(Permission::UsersRead));
    let last = rbac::remove_role(&test.hub, &operator, &origin(), boss.user, "admin").await;
    assert!(matches!(last, Err(RightsError::LastAdmin)));
    assert!(rbac::remove_role(&test.hub, &boss, &origin(), manager.user, "manager").await.unwrap());
}

#[tokio::test]
async fn the_operator_resets_a_password() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let live = test.login(&ada()).await;
    let operator = access::operator("operator@localhost".parse().unwrap());
    let made = identity::admin_reset_password(&test.hub, &operator, &ada(), None).await.unwrap();
    assert!(test.caller(&live).await.is_none());
    assert!(test.try_login(&ada(), made.password.as_deref().unwrap()).await.is_ok());
}
